-- Return the street aliases that operators added, with who added each of them, when and why.
SELECT a.alias, a.street, o.actor, o.created_at, o.reason
FROM street_aliases a
LEFT JOIN LATERAL (
    SELECT o.actor, o.created_at, o.reason FROM operator_actions o
    WHERE o.action = 'add_alias' AND o.parameters ->> 'alias' = a.alias AND o.parameters ->> 'street' = a.street
    ORDER BY o.id DESC LIMIT 1
) o ON true
WHERE NOT a.is_reference
ORDER BY o.created_at DESC NULLS LAST, a.alias LIMIT 500
