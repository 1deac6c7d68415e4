-- Return the price (tokens) of a call that lasts the given number of seconds.
SELECT call_tokens(%(seconds)s) AS tokens
