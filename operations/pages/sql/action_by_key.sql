-- Return the action that a form has started.
SELECT id, rows, done, changed, refusals, state FROM operator_actions WHERE request_key = %(key)s
