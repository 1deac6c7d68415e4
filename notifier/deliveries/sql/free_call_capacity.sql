-- Return how many calls may start now. The caller holds a lock until its claim is committed, so that two processes do
-- not both take the last free place. A call whose end was never reported counts only as long as it can last.
SELECT %(limit)s - count(*) AS free
FROM deliveries
WHERE channel = 'voice' AND state IN ('sending', 'unknown', 'accepted', 'sent')
  AND coalesce(accepted_at, claimed_at, updated_at) > now() - make_interval(secs => %(longest)s)
