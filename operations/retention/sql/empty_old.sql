-- Empty columns in one batch of old rows. The condition excludes rows whose columns are already empty.
UPDATE {table} d
SET {assignments}
WHERE d.ctid = ANY (ARRAY (
    SELECT d.ctid FROM {table} d WHERE d.{age} < %(before)s AND {condition} LIMIT %(limit)s))
