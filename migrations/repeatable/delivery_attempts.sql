-- requires: metric_totals
--
-- Triggers that keep every attempt at a delivery. The triggers see each change of a delivery, so no path forgets an
-- attempt: a worker's outcome, a deferral, a sweep, or a callback that arrives before the worker records its outcome.

CREATE OR REPLACE FUNCTION attempt_outcome(state text, is_counted boolean) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN state IN ('accepted', 'sent', 'delivered', 'undelivered') THEN 'accepted'
                WHEN is_counted THEN state
                ELSE 'deferred' END
$$;
COMMENT ON FUNCTION attempt_outcome IS
    'Returns the outcome of an attempt after which the delivery has the given state. '
    'What the provider reports after it has accepted a delivery is in delivery_events and does not change the outcome.';

CREATE OR REPLACE FUNCTION record_attempts() RETURNS trigger LANGUAGE plpgsql
-- PostgreSQL plans the statement once for each session, and the first change may be a single row. A nested loop would
-- then be slow for batches.
SET enable_nestloop = off AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM new_rows WHERE state <> 'sending') THEN
        RETURN NULL;  -- a claim, for example
    END IF;
    WITH ended AS MATERIALIZED (
        SELECT n.id, n.channel, n.kind, greatest(o.attempts, n.attempts) AS attempt,
               CASE o.state WHEN 'sending' THEN o.not_before END AS due_at, n.claimed_at AS started_at, a.outcome,
               CASE WHEN a.outcome <> 'accepted' THEN n.error_code END AS code, n.provider_id
        FROM old_rows o
        JOIN new_rows n ON n.id = o.id
        CROSS JOIN LATERAL (SELECT attempt_outcome(n.state, n.attempts >= o.attempts) AS outcome) a
        WHERE n.state <> 'sending' AND (o.state = 'sending' OR n.attempts > o.attempts)
    ), stored AS (
        INSERT INTO delivery_attempts (delivery_id, attempt, due_at, started_at, outcome, code, provider_id)
        SELECT id, attempt, due_at, started_at, outcome, code, provider_id FROM ended
    ), timed AS (
        SELECT 'wait_seconds' AS metric, channel, kind, extract(epoch FROM started_at - due_at)::float8 AS seconds
        FROM ended WHERE started_at >= due_at
        UNION ALL
        SELECT 'send_seconds', channel, kind, extract(epoch FROM clock_timestamp() - started_at)::float8
        FROM ended WHERE outcome = 'accepted' AND started_at <= clock_timestamp()
    )
    INSERT INTO metric_changes (metric, labels, change)
    SELECT metric, ARRAY[channel, kind, histogram_bound(seconds)], count(*) FROM timed
    GROUP BY metric, channel, kind, histogram_bound(seconds)
    UNION ALL
    SELECT metric || '_sum', ARRAY[channel, kind], sum(seconds) FROM timed GROUP BY metric, channel, kind;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION record_attempts IS
    'Records each attempt that has just ended, and counts how long it waited and took. An inbound call that the web service answered counts as an attempt that '
    'nobody claimed.';

CREATE OR REPLACE TRIGGER deliveries_record_attempts AFTER UPDATE ON deliveries
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION record_attempts();

CREATE OR REPLACE FUNCTION correct_attempt() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off AS $$
DECLARE
    new_outcome text := attempt_outcome(NEW.state, NEW.attempts >= OLD.attempts);
BEGIN
    UPDATE delivery_attempts
    SET outcome = new_outcome, code = CASE WHEN new_outcome <> 'accepted' THEN NEW.error_code END,
        provider_id = NEW.provider_id
    WHERE id = (SELECT a.id FROM delivery_attempts a
                WHERE a.delivery_id = NEW.id AND a.started_at IS NOT NULL
                ORDER BY a.outcome = CASE WHEN attempt_outcome(OLD.state, true) = 'accepted' THEN 'accepted'
                                          ELSE 'unknown' END DESC, a.id DESC LIMIT 1);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION correct_attempt IS
    'Corrects the outcome of a delivery''s last attempt when the outcome becomes known later. '
    'If several attempts could have been accepted, the last attempt whose outcome was unknown counts as accepted.';

CREATE OR REPLACE TRIGGER deliveries_correct_attempt AFTER UPDATE OF state, provider_id ON deliveries FOR EACH ROW
    WHEN (-- The worker records the provider's id after a callback has already reported that the provider accepted.
          (OLD.state IN ('accepted', 'sent', 'delivered', 'undelivered')
               AND NEW.provider_id IS NOT NULL AND NEW.provider_id IS DISTINCT FROM OLD.provider_id)
          -- The provider's report is proof, whatever the state was.
          OR (OLD.state NOT IN ('sending', 'accepted', 'sent', 'delivered', 'undelivered')
                  AND NEW.state IN ('accepted', 'sent', 'delivered', 'undelivered') AND NEW.attempts = OLD.attempts)
          -- A slow worker records that nothing was sent, after the leader has given up on the worker. When the leader
          -- resends or parks an e-mail, or when an operator replays a delivery, the outcome stays unknown.
          OR (OLD.state = 'unknown' AND NEW.state NOT IN ('unknown', 'parked') AND NEW.resends = OLD.resends
                  AND NEW.replays = OLD.replays))
    EXECUTE FUNCTION correct_attempt();
