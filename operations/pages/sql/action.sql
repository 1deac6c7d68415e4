-- Return one action with the first of its ids.
SELECT a.id, a.actor, a.action, a.object_type, a.rows, a.reason, a.created_at, a.parameters, a.state, a.done, a.changed,
       a.refusals, a.stopped_by, a.finished_at, a.object_ids[1:1000] AS ids
FROM operator_actions a WHERE a.id = %(id)s
