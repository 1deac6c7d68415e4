-- Return how many notifier processes have a recent heartbeat.
SELECT count(DISTINCT process_id) AS workers FROM lane_status WHERE heartbeat_at > now() - interval '30 seconds'
