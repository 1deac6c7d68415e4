-- Requeue a lookup for its next call to the county's API.
UPDATE lookups
SET state = 'queued', not_before = now() + make_interval(secs => %(delay)s), error_code = %(code)s,
    error_message = %(message)s, units_consumed = units_consumed - CASE WHEN %(give_back)s THEN 1 ELSE 0 END
WHERE id = %(id)s AND state = 'asking'
