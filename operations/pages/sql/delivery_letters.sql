-- Return a delivery's latest dead letters.
SELECT id, state, error_message AS error, failed_at
FROM failed_jobs WHERE delivery_id = %(id)s
ORDER BY id DESC LIMIT %(limit)s
