-- Return how many outbound calls may start now. Inbound calls have a separate limit. The caller holds a lock until its
-- claim is committed, so that two processes cannot both start the last allowed call. If the end of a call was never
-- reported, the call counts as in progress until the longest possible duration has passed.
SELECT %(limit)s - count(*) AS free
FROM deliveries
WHERE channel = 'voice' AND kind <> 'inbound_call' AND state IN ('sending', 'unknown', 'accepted', 'sent')
  AND coalesce(accepted_at, claimed_at, updated_at) > now() - make_interval(secs => %(longest)s)
