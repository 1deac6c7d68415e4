SELECT * FROM review_candidates(%(id)s)
