-- Defer due calls for five seconds, because the limit for calls in progress is reached.
UPDATE deliveries
SET error_code = 'calls_in_progress', not_before = now() + interval '5 seconds'
WHERE kind = ANY (%(kinds)s) AND state = 'queued' AND not_before <= now()
  AND error_code IS DISTINCT FROM 'calls_in_progress'
RETURNING id
