-- Close the breaker that reports of failed SMS have opened, after a report that a later SMS was delivered. Some carriers
-- report no delivery: an SMS that was sent five minutes ago, without a failure since then, counts too.
DELETE FROM lane_breakers b
WHERE b.queue_name = %(queue)s AND b.needs_report AND EXISTS (
    SELECT FROM deliveries d
    WHERE d.kind = ANY (%(kinds)s) AND d.accepted_at > b.opened_at
      AND (d.state = 'delivered' OR d.state = 'sent' AND d.updated_at < now() - interval '5 minutes')
)
RETURNING b.code
