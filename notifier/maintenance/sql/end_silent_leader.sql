-- If the connection that holds the leader's lock has been silent for too long by the database's clock, close the
-- connection. While the connection runs a statement, allow 30 more seconds.
SELECT pg_terminate_backend(a.pid) AS is_ended
FROM pg_locks l
JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32 | l.objid::bigint) = hashtext(%(lock)s)::bigint
  AND a.application_name = %(application)s
  AND a.state_change < now() - make_interval(secs => %(seconds)s + CASE a.state WHEN 'active' THEN 30 ELSE 0 END)
