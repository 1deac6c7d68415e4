-- afterwards: CALL recount_metrics()
--
-- Counts that triggers keep, so that a reader need not count rows. Each change adds rows to metric_changes; the sum of
-- a metric's rows is its value. Rows are only added, so transactions do not wait for each other. The leader replaces
-- many rows by their sum (fold_metric_changes).

CREATE OR REPLACE VIEW metric_totals AS
    SELECT metric, labels, sum(change) AS value FROM metric_changes GROUP BY metric, labels;
COMMENT ON VIEW metric_totals IS 'The value of each metric that triggers keep, with the values of its labels.';

CREATE OR REPLACE FUNCTION fold_metric_changes() RETURNS bigint LANGUAGE sql AS $$
    WITH many AS MATERIALIZED (
        SELECT metric, labels FROM metric_changes GROUP BY metric, labels HAVING count(*) > 1
    ), taken AS (
        DELETE FROM metric_changes c USING many m WHERE c.metric = m.metric AND c.labels = m.labels
        RETURNING c.metric, c.labels, c.change
    ), folded AS (
        INSERT INTO metric_changes (metric, labels, change)
        SELECT metric, labels, sum(change) FROM taken GROUP BY metric, labels
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM taken) - (SELECT count(*) FROM folded)
$$;
COMMENT ON FUNCTION fold_metric_changes IS
    'Replaces the rows of each metric by one row with their sum. Returns by how many rows the table has become smaller.';

CREATE OR REPLACE FUNCTION histogram_bound(seconds double precision) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (ARRAY['0.01', '0.025', '0.05', '0.1', '0.25', '0.5', '1.0', '2.5', '5.0', '10.0', '30.0', '60.0', '300.0',
                  '900.0', '3600.0', '14400.0', '86400.0', '+Inf'])
           [1 + width_bucket(seconds, ARRAY[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600,
                                            14400, 86400]::double precision[])]
$$;
COMMENT ON FUNCTION histogram_bound IS
    'Returns the upper bound of the histogram bucket that a number of seconds belongs to, as Prometheus writes it. '
    'A bucket does not contain its upper bound.';

CREATE OR REPLACE FUNCTION open_state(state text, is_due boolean) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN state = 'queued' THEN CASE WHEN is_due THEN 'due' ELSE 'later' END
                WHEN state IN ('sending', 'unknown', 'parked') THEN state END
$$;
COMMENT ON FUNCTION open_state IS
    'Returns under which name an open delivery is counted: due, later, sending, unknown or parked. Null for a finished one.';

CREATE OR REPLACE FUNCTION count_deliveries() RETURNS trigger LANGUAGE plpgsql
-- PostgreSQL plans the statements once for each session, and the first change may be a single row. A nested loop would
-- then be slow for batches.
SET enable_nestloop = off AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NOT EXISTS (SELECT FROM new_rows) THEN
            RETURN NULL;  -- a claim that found nothing, for example
        END IF;
    END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO metric_changes (metric, labels, change)
        SELECT 'deliveries', ARRAY[kind, state], count(*) FROM new_rows GROUP BY kind, state
        UNION ALL
        SELECT 'open_deliveries', ARRAY[kind, open_state(state, is_due)], count(*) FROM new_rows
        WHERE open_state(state, is_due) IS NOT NULL GROUP BY kind, open_state(state, is_due);
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO metric_changes (metric, labels, change)
        SELECT 'open_deliveries', ARRAY[kind, state], sum(change)
        FROM (SELECT kind, open_state(state, is_due) AS state, 1 AS change FROM new_rows
              UNION ALL
              SELECT kind, open_state(state, is_due), -1 FROM old_rows) c
        WHERE state IS NOT NULL GROUP BY kind, state HAVING sum(change) <> 0
        UNION ALL
        SELECT 'deliveries', ARRAY[n.kind, n.state], count(*)
        FROM old_rows o JOIN new_rows n ON n.id = o.id WHERE n.state <> o.state GROUP BY n.kind, n.state;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO metric_changes (metric, labels, change)
        SELECT 'open_deliveries', ARRAY[kind, open_state(state, is_due)], -count(*) FROM old_rows
        WHERE open_state(state, is_due) IS NOT NULL GROUP BY kind, open_state(state, is_due);
    ELSE
        DELETE FROM metric_changes WHERE metric = 'open_deliveries';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION count_deliveries IS
    'Counts the open deliveries by kind and state, and how many deliveries have entered each state.';

CREATE OR REPLACE TRIGGER deliveries_count_inserts AFTER INSERT ON deliveries
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_deliveries();
CREATE OR REPLACE TRIGGER deliveries_count_updates AFTER UPDATE ON deliveries
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_deliveries();
CREATE OR REPLACE TRIGGER deliveries_count_deletes AFTER DELETE ON deliveries
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_deliveries();
CREATE OR REPLACE TRIGGER deliveries_count_truncate AFTER TRUNCATE ON deliveries
    FOR EACH STATEMENT EXECUTE FUNCTION count_deliveries();

CREATE OR REPLACE FUNCTION count_dead_letters() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO metric_changes (metric, labels, change)
        SELECT 'open_dead_letters', ARRAY[coalesce(queue_name, '')], count(*) FROM new_rows
        WHERE state = 'open' GROUP BY queue_name;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO metric_changes (metric, labels, change)
        SELECT 'open_dead_letters', ARRAY[coalesce(queue_name, '')], sum(change)
        FROM (SELECT queue_name, 1 AS change FROM new_rows WHERE state = 'open'
              UNION ALL
              SELECT queue_name, -1 FROM old_rows WHERE state = 'open') c
        GROUP BY queue_name HAVING sum(change) <> 0;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO metric_changes (metric, labels, change)
        SELECT 'open_dead_letters', ARRAY[coalesce(queue_name, '')], -count(*) FROM old_rows
        WHERE state = 'open' GROUP BY queue_name;
    ELSE
        DELETE FROM metric_changes WHERE metric = 'open_dead_letters';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION count_dead_letters IS 'Counts the open dead letters by queue.';

CREATE OR REPLACE TRIGGER failed_jobs_count_inserts AFTER INSERT ON failed_jobs
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_dead_letters();
CREATE OR REPLACE TRIGGER failed_jobs_count_updates AFTER UPDATE ON failed_jobs
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_dead_letters();
CREATE OR REPLACE TRIGGER failed_jobs_count_deletes AFTER DELETE ON failed_jobs
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_dead_letters();
CREATE OR REPLACE TRIGGER failed_jobs_count_truncate AFTER TRUNCATE ON failed_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION count_dead_letters();

CREATE OR REPLACE FUNCTION count_open_holds() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO metric_changes (metric, labels, change)
        SELECT 'open_holds', '{}', sum(CASE WHEN entry = 'hold' THEN 1 ELSE -1 END) FROM new_rows
        WHERE entry IN ('hold', 'settle', 'release')
        HAVING sum(CASE WHEN entry = 'hold' THEN 1 ELSE -1 END) <> 0;
    ELSE
        DELETE FROM metric_changes WHERE metric = 'open_holds';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION count_open_holds IS 'Counts the token holds that are neither settled nor released.';

CREATE OR REPLACE TRIGGER token_entries_count_holds AFTER INSERT ON token_entries
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_open_holds();
CREATE OR REPLACE TRIGGER token_entries_count_truncate AFTER TRUNCATE ON token_entries
    FOR EACH STATEMENT EXECUTE FUNCTION count_open_holds();

CREATE OR REPLACE FUNCTION count_callbacks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO metric_changes (metric, labels, change)
    SELECT 'callback_lag_seconds', ARRAY[provider, histogram_bound(seconds)], count(*)
    FROM (SELECT provider, extract(epoch FROM received_at - occurred_at)::float8 AS seconds FROM new_rows
          WHERE received_at >= occurred_at) e
    GROUP BY provider, histogram_bound(seconds)
    UNION ALL
    SELECT 'callback_lag_seconds_sum', ARRAY[provider], sum(extract(epoch FROM received_at - occurred_at)) FROM new_rows
    WHERE received_at >= occurred_at GROUP BY provider;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION count_callbacks IS 'Counts the time from each provider''s event to its callback, as a histogram.';

CREATE OR REPLACE TRIGGER delivery_events_count AFTER INSERT ON delivery_events
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_callbacks();

CREATE OR REPLACE FUNCTION count_lookup() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    seconds double precision := extract(epoch FROM NEW.finished_at - NEW.created_at);
BEGIN
    INSERT INTO metric_changes (metric, labels, change)
    VALUES ('lookup_seconds', ARRAY[NEW.state, histogram_bound(seconds)], 1), ('lookup_seconds_sum', ARRAY[NEW.state], seconds);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION count_lookup IS 'Counts the time from a lookup to its end, as a histogram for each final state.';

CREATE OR REPLACE TRIGGER lookups_count AFTER UPDATE OF state ON lookups FOR EACH ROW
    WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL)
    EXECUTE FUNCTION count_lookup();

CREATE OR REPLACE PROCEDURE recount_metrics() LANGUAGE plpgsql AS $$
BEGIN
    -- Wait for the transactions that have changed a count, and let no other change one until the counts are stored.
    LOCK TABLE metric_changes IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM metric_changes WHERE metric IN ('open_deliveries', 'open_dead_letters', 'open_holds');
    INSERT INTO metric_changes (metric, labels, change)
    SELECT 'open_deliveries', ARRAY[kind, open_state(state, is_due)], count(*)
    FROM (SELECT kind, state, is_due FROM deliveries WHERE state = 'queued'
          UNION ALL
          SELECT kind, state, is_due FROM deliveries WHERE state IN ('sending', 'unknown')
          UNION ALL
          SELECT kind, state, is_due FROM deliveries WHERE state = 'parked') d
    GROUP BY kind, open_state(state, is_due)
    UNION ALL
    SELECT 'open_dead_letters', ARRAY[coalesce(queue_name, '')], count(*)
    FROM failed_jobs WHERE state = 'open' GROUP BY queue_name
    UNION ALL
    SELECT 'open_holds', '{}', coalesce(sum(CASE WHEN entry = 'hold' THEN 1 ELSE -1 END), 0)
    FROM token_entries WHERE entry IN ('hold', 'settle', 'release');
    COMMIT;
END $$;
COMMENT ON PROCEDURE recount_metrics IS
    'Counts the open deliveries, dead letters and token holds again. Statements that change them wait meanwhile.';
