-- Make a queue wait. If the queue's provider has asked for several waits, the wait that ends last applies.
INSERT INTO lane_breakers AS b (queue_name, next_trial_at, trial_interval, code, reason)
VALUES (%(queue)s, now() + make_interval(secs => %(wait)s), make_interval(secs => %(interval)s), %(code)s, %(reason)s)
ON CONFLICT (queue_name) DO UPDATE
SET next_trial_at = greatest(b.next_trial_at, excluded.next_trial_at), trial_interval = excluded.trial_interval,
    code = excluded.code, reason = excluded.reason
