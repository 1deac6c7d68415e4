-- What says that a message was sent and paid for stays for good; what it said, to whom, and how it fared goes.
-- A row that is no longer as it was archived stays whole.
WITH same AS (
    SELECT d.id
    FROM unnest(%(ids)s::bigint[], %(hashes)s::text[]) AS a (id, hash)
    JOIN deliveries d USING (id)
    WHERE md5(({archived})::text) = a.hash
    FOR NO KEY UPDATE OF d
), events AS (
    DELETE FROM delivery_events e USING same WHERE e.delivery_id = same.id
)
UPDATE deliveries d
SET emptied_at = now(), provider_id = NULL, error_code = NULL, error_message = NULL, params = '{{}}',
    recipient = NULL, sender = NULL, body = NULL
FROM same
WHERE d.id = same.id
