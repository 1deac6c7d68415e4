-- Delete one batch of old rows from a table that has no column id.
DELETE FROM {table} d
WHERE d.ctid = ANY (ARRAY (
    SELECT d.ctid FROM {table} d WHERE d.{age} < %(before)s AND {condition} LIMIT %(limit)s))
