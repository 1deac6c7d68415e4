-- Return the most frequent causes of open dead letters. ``code`` is the value of the filter that finds them.
SELECT queue_name AS queue, job_name AS job, coalesce(cause, 'unknown') AS cause, cause AS code, count(*) AS letters,
       min(failed_at) AS first_at, max(failed_at) AS last_at
FROM failed_jobs WHERE state = 'open'
GROUP BY cause, queue_name, job_name
ORDER BY letters DESC, last_at DESC
LIMIT %(limit)s
