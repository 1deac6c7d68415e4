SELECT add_street_alias(%(id)s, %(street)s, %(actor)s, %(reason)s) AS result
