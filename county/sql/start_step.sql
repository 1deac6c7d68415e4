-- Record that a step of a run begins now. A step that is repeated has not ended yet.
INSERT INTO ingestion_steps AS s (ingestion_id, step, started_at)
VALUES (%(ingestion_id)s, %(step)s, clock_timestamp())
ON CONFLICT (ingestion_id, step) DO UPDATE
SET started_at = CASE WHEN %(resume)s AND s.ended_at IS NULL THEN s.started_at ELSE excluded.started_at END,
    ended_at = NULL
