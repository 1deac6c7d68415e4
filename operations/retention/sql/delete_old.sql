-- One batch, oldest first. %(after)s is the last id of the batch before: what is gone is not looked through again.
WITH gone AS (
    DELETE FROM {table} d
    WHERE d.ctid = ANY (ARRAY (
        SELECT d.ctid FROM {table} d
        WHERE d.id > %(after)s AND d.{age} < %(before)s AND {condition} ORDER BY d.id LIMIT %(limit)s))
    RETURNING d.id
)
SELECT count(*), max(id) FROM gone
