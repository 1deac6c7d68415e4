-- Return the steps of a run with their durations (s). A step that has not ended has no duration.
SELECT step, started_at, ended_at, extract(epoch FROM ended_at - started_at)::float8 AS seconds
FROM ingestion_steps WHERE ingestion_id = %(id)s ORDER BY started_at, step
