-- An e-mail whose outcome is unknown is sent again, once, after ten minutes: a second copy does little harm.
UPDATE deliveries
SET state = 'queued', resends = resends + 1, not_before = now(), claim = NULL, updated_at = now()
WHERE state = 'unknown' AND channel = 'email' AND resends = 0
  AND updated_at < now() - make_interval(secs => 600 * %(scale)s)
RETURNING id
