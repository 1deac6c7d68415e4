-- Write one attempt for each delivery that was claimed.
INSERT INTO delivery_attempts (delivery_id, attempt, started_at, ended_at, outcome, code, provider_id)
SELECT id, attempts, claimed_at, updated_at, state, error_code, provider_id
FROM deliveries WHERE claimed_at IS NOT NULL
ORDER BY id
