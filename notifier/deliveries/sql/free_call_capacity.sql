-- How many calls may be started now. Whoever asks holds the lock until its claim is committed, so that two that find
-- one line free do not both take it. A call whose end nobody told counts no longer than it can last.
SELECT %(limit)s - count(*) AS free
FROM deliveries
WHERE channel = 'voice' AND state IN ('sending', 'unknown', 'accepted', 'sent')
  AND coalesce(accepted_at, claimed_at, updated_at) > now() - make_interval(secs => %(longest)s)
