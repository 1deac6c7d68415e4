-- Make a delivery kind wait. The other kinds in its queue are still sent.
INSERT INTO kind_breakers AS b (kind, next_trial_at, trial_interval, code, reason)
VALUES (%(kind)s, now() + make_interval(secs => %(wait)s), make_interval(secs => %(interval)s), %(code)s, %(reason)s)
ON CONFLICT (kind) DO UPDATE
SET next_trial_at = greatest(b.next_trial_at, excluded.next_trial_at), trial_interval = excluded.trial_interval,
    code = excluded.code, reason = excluded.reason
