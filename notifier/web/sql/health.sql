-- Return whether a worker process is the leader (holds the leader's lock), which queues have a recent heartbeat, and
-- which queues are paused.
SELECT EXISTS (
           SELECT FROM pg_locks l
           WHERE l.locktype = 'advisory' AND l.granted
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND l.objsubid = 1
             AND (l.classid::bigint << 32 | l.objid::bigint) = hashtext(%(leader_lock)s)::bigint
       ) AS has_leader,
       ARRAY (
           SELECT DISTINCT s.queue_name FROM lane_status s
           WHERE s.heartbeat_at > now() - make_interval(secs => %(seconds)s)
       ) AS queues,
       ARRAY (SELECT queue_name FROM lane_pauses) AS paused
