SELECT accept_address(%(id)s, %(folio)s, %(actor)s, %(reason)s) AS result
