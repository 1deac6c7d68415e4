-- Return the causes of the dead letters that another statement finds, the most frequent first.
SELECT f.queue_name AS queue, f.job_name AS job, f.cause, count(*) AS letters, min(f.failed_at) AS first_at,
       max(f.failed_at) AS last_at
FROM ({rows}) AS f
GROUP BY f.cause, f.queue_name, f.job_name
ORDER BY letters DESC, last_at DESC, f.cause
LIMIT %(limit)s
