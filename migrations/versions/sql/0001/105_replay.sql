-- Dead letters that a human has looked at.

CREATE INDEX failed_jobs_delivery ON failed_jobs (delivery_id) WHERE delivery_id IS NOT NULL;

CREATE FUNCTION replay_dead_letters(job_ids bigint[], scale double precision DEFAULT 1)
RETURNS TABLE (job_id bigint, outcome text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    chosen bigint[];
    priced bigint[];
    unpaid bigint[];
BEGIN
    PERFORM FROM deliveries WHERE id IN (SELECT delivery_id FROM failed_jobs WHERE id = ANY (job_ids))
        ORDER BY id FOR NO KEY UPDATE;
    CREATE TEMP TABLE IF NOT EXISTS judged (job_id bigint, delivery_id bigint, tokens integer, refusal text) ON COMMIT DROP;
    TRUNCATE judged;
    INSERT INTO judged
    SELECT f.id, d.id, d.tokens,
           CASE
               WHEN f.state <> 'open' THEN 'it is ' || f.state || ' already'
               WHEN d.id IS NULL THEN 'it is no delivery: send it anew, or dismiss it'
               WHEN d.state NOT IN ('dead', 'failed', 'parked') THEN 'its delivery is ' || d.state
               WHEN NOT k.is_replayable THEN 'a ' || k.kind || ' is not sent again: it was for that moment'
               WHEN d.emptied_at IS NOT NULL OR now() > d.due_at + k.max_age * scale THEN 'it is too old'
           END
    FROM failed_jobs f
    LEFT JOIN deliveries d ON d.id = f.delivery_id
    LEFT JOIN delivery_kinds k ON k.kind = d.kind
    WHERE f.id = ANY (job_ids);

    SELECT array_agg(delivery_id), array_agg(delivery_id) FILTER (WHERE tokens > 0) INTO chosen, priced
    FROM judged WHERE refusal IS NULL;
    IF priced IS NOT NULL THEN
        SELECT array_agg(id) INTO unpaid FROM (SELECT unnest(priced) AS id EXCEPT SELECT unnest(hold_tokens(priced))) AS u;
        UPDATE judged SET refusal = 'the subscriber has too few tokens' WHERE delivery_id = ANY (unpaid) AND refusal IS NULL;
    END IF;

    UPDATE deliveries d
    SET state = 'queued', attempts = 0, replays = d.replays + 1, not_before = now(), claim = NULL, error_code = NULL,
        error_message = NULL, updated_at = now()
    FROM judged j WHERE d.id = j.delivery_id AND j.refusal IS NULL;
    UPDATE failed_jobs f SET state = 'replayed' FROM judged j WHERE f.id = j.job_id AND j.refusal IS NULL;

    RETURN QUERY
    SELECT a.id, CASE WHEN j.job_id IS NULL THEN 'there is none' ELSE coalesce(j.refusal, 'replayed') END
    FROM unnest(job_ids) AS a (id) LEFT JOIN judged j ON j.job_id = a.id
    ORDER BY a.id;
END $$;
COMMENT ON FUNCTION replay_dead_letters IS
    'Tries dead deliveries again, each with a new hold: works once; refuses what was sent, is too old or was for a moment.';
