-- Open a batch of the oldest rows that are due.
WITH due AS (
    SELECT d.id FROM {table} d
    WHERE d.{age} < %(before)s AND {condition} ORDER BY d.{age} LIMIT %(limit)s
)
INSERT INTO cleanup_batches (rule, row_ids)
SELECT %(rule)s, array_agg(id) FROM due HAVING count(*) > 0
