-- Empty columns in one batch of old rows. The condition leaves out rows that are empty already.
UPDATE {table} d
SET {assignments}
WHERE d.ctid = ANY (ARRAY (
    SELECT d.ctid FROM {table} d WHERE d.{age} < %(before)s AND {condition} LIMIT %(limit)s))
