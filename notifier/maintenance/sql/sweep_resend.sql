-- Resend an e-mail once if its outcome is unknown after ten minutes, because a second copy does little harm.
UPDATE deliveries
SET state = 'queued', resends = resends + 1, not_before = now(), claim = NULL, updated_at = now()
WHERE state = 'unknown' AND channel = 'email' AND resends = 0
  AND updated_at < now() - make_interval(secs => 600 * %(scale)s)
RETURNING id
