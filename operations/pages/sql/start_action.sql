SELECT start_operator_action(%(actor)s, %(action)s, %(type)s, %(ids)s, %(reason)s, %(parameters)s, %(key)s) AS id
