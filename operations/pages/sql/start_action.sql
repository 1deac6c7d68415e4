-- Start an action, and return its id.
SELECT start_operator_action(%(actor)s, %(action)s, %(object_type)s, %(ids)s, %(reason)s, %(parameters)s, %(key)s) AS id
