-- Work on the next rows of an action.
SELECT id, rows, done, changed, refusals, state FROM continue_operator_action(%(id)s, %(limit)s)
