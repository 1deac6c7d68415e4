SELECT reject_address(%(id)s, %(actor)s, %(reason)s) AS result
