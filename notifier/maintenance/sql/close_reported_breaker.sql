-- Close a breaker that was opened because of failed SMS messages, if a later SMS was reported as delivered. Some
-- carriers do not report deliveries, so an SMS also counts as delivered if it was sent at least five minutes ago and no
-- failure has been reported since.
DELETE FROM lane_breakers b
WHERE b.queue_name = %(queue)s AND b.needs_report AND EXISTS (
    SELECT FROM deliveries d
    WHERE d.kind = ANY (%(kinds)s) AND d.accepted_at > b.opened_at
      AND (d.state = 'delivered' OR d.state = 'sent' AND d.updated_at < now() - interval '5 minutes')
)
RETURNING b.code
