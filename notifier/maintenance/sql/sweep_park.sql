-- Nobody will find out any more: a human decides. Texts and calls after an hour, an e-mail that was sent again after
-- another ten minutes.
UPDATE deliveries
SET state = 'parked', updated_at = now(),
    check_at = CASE channel WHEN 'sms' THEN now() + make_interval(secs => 3600 * %(scale)s) END
WHERE state = 'unknown'
  AND CASE channel
          WHEN 'email' THEN resends > 0 AND updated_at < now() - make_interval(secs => 600 * %(scale)s)
          ELSE updated_at < now() - make_interval(secs => 3600 * %(scale)s)
      END
RETURNING id
