-- Park deliveries whose outcome stays unknown, so that an operator can decide what to do. SMS messages and calls are
-- parked after an hour. An e-mail is parked ten minutes after it was resent. Rows that another session has locked are
-- left for a later sweep.
WITH doubtful AS MATERIALIZED (
    SELECT id FROM deliveries
    WHERE state = 'unknown' AND updated_at < now() - make_interval(secs => 600 * %(scale)s)
      AND CASE channel
              WHEN 'email' THEN resends > 0 AND updated_at < now() - make_interval(secs => 600 * %(scale)s)
              ELSE updated_at < now() - make_interval(secs => 3600 * %(scale)s)
          END
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE deliveries d
SET state = 'parked', updated_at = now(),
    check_at = CASE d.channel WHEN 'sms' THEN now() + make_interval(secs => 3600 * %(scale)s) END
FROM doubtful WHERE d.id = doubtful.id
RETURNING d.id
