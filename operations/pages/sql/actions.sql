-- Return operators' actions before an id, filtered, newest first. The ids of a bulk action are long, so they are not read.
SELECT a.id, a.created_at, a.actor, a.action, a.object_type, a.rows, a.done, a.changed, a.reason, a.state, a.stopped_by,
       a.finished_at, a.parameters, CASE WHEN a.rows <= 100 THEN a.object_ids[1:3] ELSE '{}' END AS first_ids,
       (SELECT coalesce(sum(value::bigint), 0)::bigint FROM jsonb_each_text(a.refusals)) AS refused
FROM operator_actions a
WHERE (%(before)s::bigint IS NULL OR a.id < %(before)s)
  AND (%(actor)s::text IS NULL OR a.actor = %(actor)s)
  AND (%(action)s::text IS NULL OR a.action = %(action)s)
  AND (%(since)s::timestamptz IS NULL OR a.created_at >= %(since)s)
ORDER BY a.id DESC
LIMIT %(limit)s
