-- Defer due calls for five seconds, because the limit for calls in progress is reached. No worker has claimed these
-- calls, so their attempts have no start.
WITH deferred AS (
    UPDATE deliveries
    SET error_code = 'calls_in_progress', not_before = now() + interval '5 seconds'
    WHERE kind = ANY (%(kinds)s) AND state = 'queued' AND is_due AND not_before <= now()
      AND error_code IS DISTINCT FROM 'calls_in_progress'
    RETURNING id, attempts, error_code
)
INSERT INTO delivery_attempts (delivery_id, attempt, outcome, code)
SELECT id, attempts + 1, 'deferred', error_code FROM deferred
RETURNING delivery_id
