SELECT stop_operator_action(%(id)s, %(actor)s) AS is_stopped
