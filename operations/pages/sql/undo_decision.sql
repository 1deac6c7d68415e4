SELECT undo_address_decision(%(decision)s, %(actor)s, %(reason)s) AS result
