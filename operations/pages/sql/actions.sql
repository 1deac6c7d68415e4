-- Return operators' actions before an id, newest first, without their ids.
SELECT a.id, a.actor, a.action, a.object_type, a.rows, a.reason, a.created_at, a.parameters, a.state, a.done, a.changed,
       a.finished_at, a.object_ids[1] AS first_id
FROM operator_actions a
WHERE (%(before)s::bigint IS NULL OR a.id < %(before)s)
  AND (%(actor)s::text IS NULL OR a.actor = %(actor)s)
  AND (%(action)s::text IS NULL OR a.action = %(action)s)
  AND (%(since)s::timestamptz IS NULL OR a.created_at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR a.created_at < %(until)s::timestamptz + interval '1 day')
ORDER BY a.id DESC
LIMIT %(limit)s
