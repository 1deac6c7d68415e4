-- Return the ids of the next deliveries of a filter, among those that a source reads, in the order of the ids.
SELECT d.id
FROM ({source}) AS d
WHERE (%(kinds)s::text[] IS NULL OR d.kind = ANY (%(kinds)s))
  AND (%(states)s::text[] IS NULL OR d.state = ANY (%(states)s))
  AND (%(code)s::text IS NULL OR d.error_code = %(code)s)
  AND (%(subscriber)s::bigint IS NULL OR d.subscriber_id = %(subscriber)s)
  AND (%(leads)s::bigint[] IS NULL OR d.lead_id = ANY (%(leads)s))
  AND (%(since)s::timestamptz IS NULL OR d.created_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR d.created_at < %(until)s)
  AND (%(when)s::text IS NULL OR (d.not_before <= now()) = (%(when)s = 'due'))
  AND (%(waiting)s::interval IS NULL
       OR CASE d.state WHEN 'queued' THEN d.due_at ELSE d.updated_at END <= now() - %(waiting)s)
  AND (%(pattern)s::text IS NULL OR d.error_message ILIKE %(pattern)s OR d.error_code ILIKE %(pattern)s)
ORDER BY d.id {direction}
LIMIT %(limit)s
