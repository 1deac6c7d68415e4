-- Return whether a notifier worker has sent a heartbeat lately. The leader, one of them, works on long actions.
SELECT EXISTS (SELECT FROM lane_status WHERE heartbeat_at > now() - interval '30 seconds') AS is_alive
