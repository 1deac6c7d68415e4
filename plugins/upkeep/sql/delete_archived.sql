-- Exactly the rows that were archived, as they were archived.
DELETE FROM {table} d
USING unnest(%(ids)s::bigint[], %(hashes)s::text[]) AS a (id, hash)
WHERE d.id = a.id AND md5(({archived})::text) = a.hash
