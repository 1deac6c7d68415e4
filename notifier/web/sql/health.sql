-- Whether somebody sweeps (the lock is held by whoever is elected), and which of the lanes have told of themselves.
SELECT EXISTS (
           SELECT FROM pg_locks l
           WHERE l.locktype = 'advisory' AND l.granted
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND l.objsubid = 1
             AND (l.classid::bigint << 32 | l.objid::bigint) = hashtext(%(sweeper_lock)s)::bigint
       ) AS sweeper,
       ARRAY (
           SELECT DISTINCT s.queue_name FROM lane_status s
           WHERE s.heartbeat_at > now() - make_interval(secs => %(fresh)s)
       ) AS lanes
