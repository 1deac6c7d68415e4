-- Each statement adds a few rows, and the leader replaces them once a second, so the table must be vacuumed often.
CREATE TABLE IF NOT EXISTS metric_changes (
    metric text NOT NULL,
    labels text[] NOT NULL,
    change double precision NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 5000);
