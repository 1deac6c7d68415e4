-- Record a dead letter for each delivery that failed for good. Dead letters contain ids and no personal data.
INSERT INTO failed_jobs (queue_name, job_name, job_data, error_message, retry_count, delivery_id, job_key)
SELECT k.queue_name, d.kind,
       jsonb_strip_nulls(jsonb_build_object('delivery_id', d.id, 'subscriber_id', d.subscriber_id,
                                            'lead_id', d.lead_id, 'state', d.state, 'code', d.error_code)),
       coalesce(d.error_message, d.error_code, d.state), greatest(d.attempts - 1, 0), d.id, 'delivery:' || d.id || ':' || d.replays
FROM deliveries d JOIN delivery_kinds k USING (kind)
WHERE d.id = ANY (%(ids)s)
ON CONFLICT (job_key) DO NOTHING
