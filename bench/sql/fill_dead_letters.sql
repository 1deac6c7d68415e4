-- Write %(dead_letters)s dead letters. Nine of ten belong to deliveries; the others are messages with a traceback. A third
-- is still open.
INSERT INTO failed_jobs (queue_name, job_name, job_data, error_message, traceback, failed_at, retry_count, state,
                         delivery_id, job_key)
SELECT CASE WHEN d.id IS NULL THEN 'admin-alerts' ELSE k.queue_name END, coalesce(d.kind, 'send_admin_alert'),
       CASE WHEN d.id IS NULL THEN '{"message_id": 1}'
            ELSE jsonb_build_object('delivery_id', d.id, 'subscriber_id', d.subscriber_id, 'lead_id', d.lead_id,
                                    'state', d.state, 'code', d.error_code) END,
       coalesce(d.error_message, d.error_code, 'ConnectionError: no answer to request ' || n || ' after ' || n %% 90 || ' s'),
       CASE WHEN d.id IS NULL THEN repeat('notifier/actors/admin.py:59 ', 20) END,
       now() - (1 - n / %(dead_letters)s::float8) * interval '90 days', 3,
       CASE n %% 3 WHEN 0 THEN 'open' WHEN 1 THEN 'replayed' ELSE 'dismissed' END, d.id, 'job:' || n
FROM generate_series(1, %(dead_letters)s) AS n
LEFT JOIN (
    SELECT d.*, row_number() OVER (ORDER BY d.id) AS place
    FROM deliveries d WHERE state IN ('failed', 'dead', 'parked', 'expired')
) AS d ON d.place = n AND n %% 10 <> 0
LEFT JOIN delivery_kinds k ON k.kind = d.kind
ORDER BY n
