-- Whoever ordered a call that will not be made is told, once and for nothing.
SELECT open_deliveries(array_agg(
    ROW ('call_failed', subscriber_id, NULL, 'call_failed:' || id, NULL, NULL, jsonb_build_object('delivery_id', id), NULL)
    ::delivery_request))
FROM deliveries
WHERE id = ANY (%(ids)s) AND kind IN ('outbound_call', 'campaign_call') AND state IN ('failed', 'dead', 'parked')
HAVING count(*) > 0
