-- Delete one batch of old rows, lowest id first. %(after)s is the last id of the previous batch, so that deleted rows
-- are not scanned again.
WITH gone AS (
    DELETE FROM {table} d
    WHERE d.ctid = ANY (ARRAY (
        SELECT d.ctid FROM {table} d
        WHERE d.id > %(after)s AND d.{age} < %(before)s AND {condition} ORDER BY d.id LIMIT %(limit)s))
    RETURNING d.id
)
SELECT count(*), max(id) FROM gone
