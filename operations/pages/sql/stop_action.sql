-- Stop an action, and return whether it was running.
SELECT stop_operator_action(%(id)s, %(actor)s) AS stopped
