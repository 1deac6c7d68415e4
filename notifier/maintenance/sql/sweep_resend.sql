-- E-mail is sent at least once: nobody minds one more, once, after ten minutes.
UPDATE deliveries
SET state = 'queued', resends = resends + 1, not_before = now(), claim = NULL, updated_at = now()
WHERE state = 'unknown' AND channel = 'email' AND resends = 0
  AND updated_at < now() - make_interval(secs => 600 * %(scale)s)
RETURNING id
