-- Return the cached property if it is recent. Otherwise return the lookup to wait for: an open lookup, a lookup that
-- was answered within the last minute, or a new lookup. A caller that joins an open lookup extends the lookup's
-- lifetime. This transaction commits without waiting for the disk. The later commit that reserves the unit waits for
-- the disk, and flushes this transaction's commit as well. The API is not called before the reservation. If the
-- database crashes before the reservation, the lookup is lost and its caller gets an error.
WITH cached AS (
    SELECT p.* FROM properties p
    WHERE p.folio_number = %(folio)s AND p.last_updated > now() - make_interval(days => %(days)s)
), answered AS (
    SELECT l.id FROM lookups l
    WHERE l.folio_number = %(folio)s AND l.state = 'answered' AND l.finished_at > now() - interval '1 minute'
      AND NOT EXISTS (SELECT FROM cached)
    ORDER BY l.finished_at DESC LIMIT 1
), opened AS (
    INSERT INTO lookups AS l (folio_number, subscriber_id, expires_at)
    SELECT %(folio)s, %(subscriber)s, now() + make_interval(secs => %(lifetime)s)
    WHERE NOT EXISTS (SELECT FROM cached) AND NOT EXISTS (SELECT FROM answered)
    ON CONFLICT (folio_number) WHERE state IN ('queued', 'asking')
    DO UPDATE SET expires_at = greatest(l.expires_at, excluded.expires_at)
    RETURNING l.id, l.xmax = 0 AS is_new  -- xmax is 0 for an inserted row and not 0 for an updated row
)
SELECT coalesce(o.id, a.id) AS lookup_id, coalesce(o.is_new, false) AS is_new,
       c.id IS NOT NULL AS is_cached, c.*
FROM (SELECT set_config('synchronous_commit', 'off', true)) AS one
LEFT JOIN cached c ON true
LEFT JOIN answered a ON true
LEFT JOIN opened o ON true
