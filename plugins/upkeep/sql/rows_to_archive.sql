SELECT ({archived})::text
FROM unnest(%(ids)s::bigint[]) WITH ORDINALITY AS wanted (id, position)
JOIN {table} d USING (id)
ORDER BY wanted.position
