-- Close the breakers of a queue and a kind after the provider has accepted or rejected an individual request. A
-- request for deliveries that were claimed before a breaker opened does not close that breaker.
WITH request AS (
    SELECT max(claimed_at) AS claimed_at FROM deliveries WHERE id = ANY (%(ids)s)
), closed AS (
    DELETE FROM kind_breakers WHERE kind = %(kind)s AND opened_at < (SELECT claimed_at FROM request)
)
DELETE FROM lane_breakers
WHERE queue_name = %(queue)s AND opened_at < (SELECT claimed_at FROM request) AND NOT needs_report
