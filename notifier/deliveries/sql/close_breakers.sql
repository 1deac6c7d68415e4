-- The provider has taken a request, so its queue and kind need not wait. A request that was claimed before they began
-- to wait proves nothing.
WITH request AS (
    SELECT max(claimed_at) AS claimed_at FROM deliveries WHERE id = ANY (%(ids)s)
), closed AS (
    DELETE FROM kind_breakers WHERE kind = %(kind)s AND opened_at < (SELECT claimed_at FROM request)
)
DELETE FROM lane_breakers
WHERE queue_name = %(queue)s AND opened_at < (SELECT claimed_at FROM request) AND NOT needs_report
