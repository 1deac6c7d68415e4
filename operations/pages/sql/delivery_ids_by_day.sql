-- Return the id of the first delivery that was created at or after a moment, by halving the range of ids. Ids and times
-- of creation have nearly the same order, because a transaction that creates deliveries is short. Returns no row for a
-- range of fewer than %(small)s ids, which needs no shortcut.
WITH RECURSIVE range AS (
    SELECT min(id) AS low, max(id) + 1 AS high FROM deliveries
    HAVING max(id) - min(id) >= %(small)s
    UNION ALL
    SELECT CASE WHEN m.created_at < %(moment)s THEN m.id + 1 ELSE r.low END,
           CASE WHEN m.created_at < %(moment)s THEN r.high ELSE (r.low + r.high) / 2 END
    FROM range r CROSS JOIN LATERAL (
        SELECT d.id, d.created_at FROM deliveries d WHERE d.id >= (r.low + r.high) / 2 ORDER BY d.id LIMIT 1
    ) AS m
    WHERE r.low < r.high
)
SELECT low AS id FROM range WHERE low >= high
