-- Open the queue's breaker if most SMS messages from the last ten minutes, including the latest SMS, ended with the
-- same error, and the sender is responsible for this error. Twilio still accepts requests from this sender, so an
-- accepted request does not close the breaker.
WITH ended AS MATERIALIZED (
    SELECT d.state, d.error_code, d.claimed_at FROM deliveries d
    WHERE d.kind = ANY (%(kinds)s) AND d.accepted_at > now() - interval '10 minutes'
      AND d.state IN ('delivered', 'undelivered')
), most AS (
    SELECT error_code AS code, count(*) AS failed, (SELECT count(*) FROM ended) AS total, max(claimed_at) AS latest
    FROM ended WHERE state = 'undelivered' AND error_code = ANY (%(codes)s)
    GROUP BY error_code ORDER BY failed DESC LIMIT 1
)
INSERT INTO lane_breakers AS b (queue_name, next_trial_at, trial_interval, code, reason, needs_report)
SELECT %(queue)s, now() + make_interval(secs => %(wait)s), make_interval(secs => %(wait)s), m.code,
       format('%%s of %%s SMS ended with code %%s', m.failed, m.total, m.code), true
FROM most m
WHERE m.failed >= %(least)s AND 2 * m.failed > m.total
  AND NOT EXISTS (SELECT FROM ended e WHERE e.state = 'delivered' AND e.claimed_at > m.latest)
ON CONFLICT (queue_name) DO UPDATE
SET next_trial_at = greatest(b.next_trial_at, excluded.next_trial_at), trial_interval = excluded.trial_interval,
    code = excluded.code, reason = excluded.reason, needs_report = true
WHERE NOT b.needs_report
RETURNING b.code, b.reason
