-- Return the error messages of deliveries, or else what their error codes mean.
SELECT d.id, coalesce(d.error_message, c.meaning) AS error
FROM deliveries d
LEFT JOIN delivery_codes c ON c.code = d.error_code
WHERE d.id = ANY (%(ids)s) AND coalesce(d.error_message, c.meaning) IS NOT NULL
