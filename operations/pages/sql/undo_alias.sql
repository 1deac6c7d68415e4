SELECT undo_street_alias(%(alias)s, %(street)s, %(actor)s, %(reason)s) AS result
