-- Return the verification codes that exceed an hourly limit, with the limit's name. For the other codes, store the
-- recipients' phone numbers, so that the limits count these codes before they are sent. The caller holds a lock until
-- its transaction ends.
WITH requested AS (
    SELECT d.id, d.subscriber_id, r.number
    FROM unnest(%(ids)s::bigint[], %(numbers)s::text[]) AS r (id, number)
    JOIN deliveries d ON d.id = r.id
), recent AS MATERIALIZED (
    SELECT subscriber_id, recipient FROM deliveries
    WHERE kind = 'verification_sms' AND recipient IS NOT NULL AND claimed_at > now() - interval '1 hour'
      AND id <> ALL (%(ids)s)
), counted AS (
    SELECT q.id, q.number,
           (SELECT count(*) FROM recent c WHERE c.recipient = q.number)
               + row_number() OVER (PARTITION BY q.number ORDER BY q.id) AS of_number,
           (SELECT count(*) FROM recent c WHERE c.subscriber_id = q.subscriber_id)
               + row_number() OVER (PARTITION BY q.subscriber_id ORDER BY q.id) AS of_subscriber,
           (SELECT count(*) FROM recent) + row_number() OVER (ORDER BY q.id) AS of_all
    FROM requested q
), judged AS (
    SELECT id, number, CASE WHEN of_number > %(per_number)s THEN 'codes_per_number'
                            WHEN of_subscriber > %(per_subscriber)s THEN 'codes_per_subscriber'
                            WHEN of_all > %(per_hour)s THEN 'codes_per_hour' END AS limit_name
    FROM counted
), stored AS (
    UPDATE deliveries d SET recipient = j.number FROM judged j WHERE d.id = j.id AND j.limit_name IS NULL
)
SELECT id, limit_name FROM judged WHERE limit_name IS NOT NULL
