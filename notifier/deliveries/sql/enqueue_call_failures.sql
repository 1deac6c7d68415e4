-- For each call that could not be made, enqueue a free call_failed e-mail to the subscriber who requested the call.
SELECT open_deliveries(array_agg(
    ROW ('call_failed', subscriber_id, NULL, 'call_failed:' || id, NULL, NULL, jsonb_build_object('delivery_id', id), NULL)
    ::delivery_request))
FROM deliveries
WHERE id = ANY (%(ids)s) AND kind IN ('outbound_call', 'campaign_call')
  AND (state IN ('failed', 'dead', 'parked') OR state = 'undelivered' AND error_code = 'failed')
HAVING count(*) > 0
