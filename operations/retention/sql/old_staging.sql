-- Find the staging partitions of successful and skipped runs, and of all runs that are too old to be resumed.
SELECT part.relname
FROM pg_inherits i
JOIN pg_class part ON part.oid = i.inhrelid
JOIN pg_class staging ON staging.oid = i.inhparent AND staging.relname LIKE 'staging\_%%'
JOIN data_ingestion_logs l ON l.id = substring(part.relname FROM '\d+$')::bigint
WHERE l.status IN ('success', 'skipped') OR l.started_at < %(before)s
ORDER BY part.relname
