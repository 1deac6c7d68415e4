-- Delete the archived rows that have not changed since they were archived.
WITH present AS MATERIALIZED (
    SELECT d.id, md5(({archived})::text) AS hash FROM {table} d WHERE d.id = ANY (%(ids)s)
    FOR UPDATE OF d
)
DELETE FROM {table} d
USING present JOIN unnest(%(ids)s::bigint[], %(hashes)s::text[]) AS a (id, hash) USING (id, hash)
WHERE d.id = present.id
