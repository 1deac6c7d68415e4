-- Return a dead letter with its delivery, the delivery's ledger entries, and the provider's events.
SELECT f.id, f.state, f.queue_name, f.job_name, f.job_data, f.error_message, f.retry_count, f.failed_at, f.traceback,
       d.id AS delivery_id, d.state AS delivery_state, d.attempts, d.replays, d.created_at, d.due_at, d.error_code,
       (SELECT jsonb_agg(jsonb_build_object('entry', e.entry, 'tokens', e.tokens, 'at', e.created_at) ORDER BY e.id)
        FROM token_entries e WHERE e.delivery_id = d.id) AS ledger,
       (SELECT jsonb_agg(jsonb_build_object('event', v.event, 'at', coalesce(v.occurred_at, v.received_at)) ORDER BY v.id)
        FROM delivery_events v WHERE v.delivery_id = d.id) AS events
FROM failed_jobs f LEFT JOIN deliveries d ON d.id = f.delivery_id
WHERE f.id = %(id)s
