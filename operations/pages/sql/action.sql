-- Return one operator's action with the first of its ids.
SELECT a.id, a.created_at, a.actor, a.action, a.object_type, a.rows, a.done, a.changed, a.reason, a.state, a.stopped_by,
       a.finished_at, a.parameters, a.refusals, a.object_ids[1:%(limit)s] AS first_ids,
       (SELECT coalesce(sum(value::bigint), 0)::bigint FROM jsonb_each_text(a.refusals)) AS refused
FROM operator_actions a WHERE a.id = %(id)s
