-- Return the dead letters of a filter with ids between two ids.
SELECT f.*
FROM failed_jobs f
WHERE f.id > %(above)s AND f.id < %(below)s
  AND (%(states)s::text[] IS NULL OR f.state = ANY (%(states)s))
  AND (%(queue)s::text IS NULL OR f.queue_name = %(queue)s)
  AND (%(kind)s::text IS NULL OR f.job_name = %(kind)s)
  AND (%(since)s::timestamptz IS NULL OR f.failed_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR f.failed_at < %(until)s)
  AND (%(code)s::text IS NULL OR f.cause = %(code)s)
  AND (%(pattern)s::text IS NULL OR f.id = %(number)s OR f.delivery_id = %(number)s
       OR f.job_data ->> 'subscriber_id' = %(number)s::text OR f.error_message ILIKE %(pattern)s OR f.cause ILIKE %(pattern)s)
