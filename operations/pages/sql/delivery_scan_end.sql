-- Return the last row that a page reads, if there may be rows behind it.
SELECT id, created_at FROM ({source}) AS s ORDER BY id {direction} OFFSET %(scan)s - 1 LIMIT 1
