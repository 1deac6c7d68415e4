-- What time alone decides; each row says what became of it. One statement, so that no row is moved twice in a sweep.
WITH stale AS (
    -- Its worker died while sending: the message may have left.
    UPDATE deliveries
    SET state = 'unknown', error_code = 'worker_died', updated_at = now()
    WHERE state = 'sending' AND claimed_at < now() - make_interval(secs => %(scale)s * (%(timeout)s + 60))
    RETURNING id, kind, state
), again AS (
    -- E-mail is sent at least once: nobody minds one more, once, after ten minutes.
    UPDATE deliveries
    SET state = 'queued', resends = resends + 1, not_before = now(), claim = NULL, updated_at = now()
    WHERE state = 'unknown' AND channel = 'email' AND resends = 0
      AND updated_at < now() - make_interval(secs => %(scale)s * 600)
    RETURNING id, kind, state
), parked AS (
    -- Texts and calls are sent at most once: a human decides.
    UPDATE deliveries
    SET state = 'parked', updated_at = now()
    WHERE state = 'unknown'
      AND (channel = 'email' AND resends > 0 AND updated_at < now() - make_interval(secs => %(scale)s * 600)
           OR channel <> 'email' AND updated_at < now() - make_interval(secs => %(scale)s * 3600))
    RETURNING id, kind, state
), expired AS (
    UPDATE deliveries d
    SET state = 'expired', error_code = 'too_old', updated_at = now()
    FROM delivery_kinds k
    WHERE k.kind = d.kind AND d.state = 'queued' AND d.created_at < now() - k.max_age * %(scale)s
    RETURNING d.id, d.kind, d.state
)
SELECT * FROM stale UNION ALL SELECT * FROM again UNION ALL SELECT * FROM parked UNION ALL SELECT * FROM expired
