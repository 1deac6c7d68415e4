-- Return what operators did with a delivery and with its dead letters, the latest first. The ids of a bulk action are
-- sorted, so an index finds the bulk actions whose range of ids contains the id. The latest of them are searched.
WITH objects AS (
    SELECT 'delivery' AS object_type, %(id)s::bigint AS object_id
    UNION ALL
    (SELECT 'dead_letter', id FROM failed_jobs WHERE delivery_id = %(id)s ORDER BY id DESC LIMIT 20)
), found AS (
    SELECT a.id FROM objects o
    JOIN operator_actions a ON cardinality(a.object_ids) <= 100 AND a.object_ids @> ARRAY[o.object_id]
                           AND a.object_type = o.object_type
    UNION
    SELECT b.id FROM objects o
    CROSS JOIN LATERAL (
        SELECT a.id, a.object_ids FROM operator_actions a
        WHERE cardinality(a.object_ids) > 100 AND a.object_type IN ('delivery', 'dead_letter')
          AND int8range(a.object_ids[1], a.object_ids[cardinality(a.object_ids)], '[]') @> o.object_id
          AND a.object_type = o.object_type
        ORDER BY a.id DESC LIMIT 50
    ) b
    WHERE o.object_id = ANY (b.object_ids)
)
SELECT a.id, a.actor, a.action, a.object_type, a.rows, a.reason, a.created_at, a.state, a.changed, a.refusals
FROM found JOIN operator_actions a USING (id)
ORDER BY a.id DESC LIMIT %(limit)s
