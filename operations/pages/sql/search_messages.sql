-- Return how many deliveries have an error message that contains some words, counted up to a limit.
SELECT count(*) AS found
FROM (SELECT FROM deliveries WHERE error_message IS NOT NULL AND error_message ILIKE %(pattern)s LIMIT %(limit)s) AS messages
