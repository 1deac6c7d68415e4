-- Empty archived deliveries: keep the columns that prove sending and payment; remove content, recipient, errors and
-- events. A row that has changed since it was archived stays unchanged.
WITH present AS MATERIALIZED (
    SELECT d.id, md5(({archived})::text) AS hash FROM deliveries d WHERE d.id = ANY (%(ids)s)
    FOR NO KEY UPDATE OF d
), same AS (
    SELECT id FROM present JOIN unnest(%(ids)s::bigint[], %(hashes)s::text[]) AS a (id, hash) USING (id, hash)
), events AS (
    DELETE FROM delivery_events e USING same WHERE e.delivery_id = same.id
)
UPDATE deliveries d
SET emptied_at = now(), provider_id = NULL, error_code = NULL, error_message = NULL, params = '{{}}',
    recipient = NULL, sender = NULL, body = NULL
FROM same
WHERE d.id = same.id
