-- Delete one batch of old rows of a table without the column id.
DELETE FROM {table} d
WHERE d.ctid = ANY (ARRAY (
    SELECT d.ctid FROM {table} d WHERE d.{age} < %(before)s AND {condition} LIMIT %(limit)s))
