-- Return the most frequent causes of open dead letters.
SELECT queue_name AS queue, job_name AS job, coalesce(job_data ->> 'code', left(error_message, 120), 'unknown') AS cause,
       job_data ->> 'code' AS code, count(*) AS letters, min(failed_at) AS first_at, max(failed_at) AS last_at
FROM failed_jobs WHERE state = 'open'
GROUP BY 1, 2, 3, 4
ORDER BY letters DESC, last_at DESC
LIMIT %(limit)s
