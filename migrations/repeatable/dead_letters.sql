-- afterwards: CALL refresh_dead_letter_causes()
--
-- The functions that name the cause of a dead letter, and replay dead letters.

CREATE OR REPLACE FUNCTION dead_letter_cause(job_data jsonb, message text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(job_data ->> 'code',
                left(regexp_replace(left(message, 1000), '\m[0-9a-f-]*[0-9][0-9a-f-]*\M', '#', 'g'), 120), 'unknown');
COMMENT ON FUNCTION dead_letter_cause IS
    'Returns the cause by which dead letters are grouped: the error code, or else the start of the message with # for every number.';

CREATE OR REPLACE FUNCTION store_dead_letter_cause() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.cause := dead_letter_cause(NEW.job_data, NEW.error_message);
    RETURN NEW;
END $$;
COMMENT ON COLUMN failed_jobs.cause IS 'Cause by which the operators'' pages group dead letters (dead_letter_cause), written by a trigger.';
COMMENT ON FUNCTION store_dead_letter_cause IS 'Writes the cause of a dead letter.';

CREATE OR REPLACE TRIGGER failed_jobs_cause BEFORE INSERT OR UPDATE OF job_data, error_message ON failed_jobs
    FOR EACH ROW EXECUTE FUNCTION store_dead_letter_cause();

CREATE OR REPLACE PROCEDURE refresh_dead_letter_causes() LANGUAGE sql AS $$
    UPDATE failed_jobs SET cause = dead_letter_cause(job_data, error_message)
    WHERE cause IS DISTINCT FROM dead_letter_cause(job_data, error_message);
$$;
COMMENT ON PROCEDURE refresh_dead_letter_causes IS 'Writes the causes of all dead letters again, after the function that names them changed.';

CREATE OR REPLACE FUNCTION replay_dead_letters(job_ids bigint[], scale double precision DEFAULT 1)
RETURNS TABLE (job_id bigint, outcome text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    chosen bigint[];
    priced bigint[];
    unpaid bigint[];
BEGIN
    PERFORM FROM deliveries WHERE id IN (SELECT delivery_id FROM failed_jobs WHERE id = ANY (job_ids))
        ORDER BY id FOR NO KEY UPDATE;
    CREATE TEMP TABLE IF NOT EXISTS replay_candidates (job_id bigint, delivery_id bigint, tokens integer, refusal text) ON COMMIT DROP;
    TRUNCATE replay_candidates;
    INSERT INTO replay_candidates
    SELECT f.id, d.id, d.tokens,
           CASE
               WHEN f.state <> 'open' THEN 'the dead letter is already ' || f.state
               WHEN d.id IS NULL THEN 'the dead letter belongs to no delivery: send the message again, or dismiss the dead letter'
               WHEN d.state NOT IN ('dead', 'failed', 'parked') THEN 'the delivery is ' || d.state
               WHEN d.accepted_at IS NOT NULL OR EXISTS (
                   SELECT FROM delivery_events e
                   JOIN event_meanings m ON m.provider = e.provider AND m.event = e.event
                   WHERE e.delivery_id = d.id AND m.state IN ('accepted', 'sent', 'delivered', 'undelivered'))
                   THEN 'the provider has accepted the delivery'
               WHEN NOT k.is_replayable THEN 'a ' || k.kind || ' cannot be replayed: it was useful only when it was due'
               WHEN d.emptied_at IS NOT NULL OR now() > d.due_at + k.max_age * scale THEN 'the delivery is too old'
           END
    FROM failed_jobs f
    LEFT JOIN deliveries d ON d.id = f.delivery_id
    LEFT JOIN delivery_kinds k ON k.kind = d.kind
    WHERE f.id = ANY (job_ids);

    SELECT array_agg(delivery_id), array_agg(delivery_id) FILTER (WHERE tokens > 0) INTO chosen, priced
    FROM replay_candidates WHERE refusal IS NULL;
    IF priced IS NOT NULL THEN
        SELECT array_agg(id) INTO unpaid FROM (SELECT unnest(priced) AS id EXCEPT SELECT unnest(hold_tokens(priced))) AS u;
        UPDATE replay_candidates SET refusal = 'the subscriber has too few tokens' WHERE delivery_id = ANY (unpaid) AND refusal IS NULL;
    END IF;

    UPDATE deliveries d
    SET state = 'queued', attempts = 0, replays = d.replays + 1, not_before = now(), claim = NULL, error_code = NULL,
        error_message = NULL, updated_at = now()
    FROM replay_candidates c WHERE d.id = c.delivery_id AND c.refusal IS NULL;
    UPDATE failed_jobs f SET state = 'replayed' FROM replay_candidates c WHERE f.id = c.job_id AND c.refusal IS NULL;

    RETURN QUERY
    SELECT a.id, CASE WHEN c.job_id IS NULL THEN 'there is no such dead letter' ELSE coalesce(c.refusal, 'replayed') END
    FROM unnest(job_ids) AS a (id) LEFT JOIN replay_candidates c ON c.job_id = a.id
    ORDER BY a.id;
END $$;
COMMENT ON FUNCTION replay_dead_letters IS
    'Replays dead letters: queues their deliveries with new token holds, and returns an outcome for each dead letter. '
    'Refuses a job that was replayed before, and a delivery that was sent, is too old or is not replayable.';
