-- Return the error codes of deliveries that contain a text. Jumps from code to code in the index instead of reading it.
WITH RECURSIVE codes AS (
    (SELECT error_code FROM deliveries WHERE error_code IS NOT NULL ORDER BY error_code LIMIT 1)
    UNION ALL
    SELECT (SELECT d.error_code FROM deliveries d WHERE d.error_code > c.error_code ORDER BY d.error_code LIMIT 1)
    FROM codes c WHERE c.error_code IS NOT NULL
)
SELECT error_code FROM (SELECT error_code FROM codes LIMIT %(limit)s) AS codes
WHERE error_code ILIKE %(pattern)s
