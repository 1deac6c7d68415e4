-- Return the price (tokens) of a call that lasts so many seconds.
SELECT call_tokens(%(seconds)s) AS tokens
