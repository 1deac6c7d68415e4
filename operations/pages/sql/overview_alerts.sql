-- Return the open alerts to on-call, the most severe first.
SELECT severity, subject, opened_at, count
FROM oncall_alerts WHERE closed_at IS NULL
ORDER BY (severity = 'critical') DESC, opened_at DESC
LIMIT 20
