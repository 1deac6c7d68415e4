-- Finish a lookup, settle or release its token hold, and wake the callers that wait for the folio.
WITH finished AS (
    UPDATE lookups l
    SET state = %(state)s, finished_at = clock_timestamp(), error_code = %(code)s, error_message = %(message)s,
        total_records = coalesce(%(records)s::integer, k.total_records),
        remaining_balance = coalesce(%(balance)s::integer, k.remaining_balance),
        units_consumed = l.units_consumed - CASE WHEN %(give_back)s THEN 1 ELSE 0 END
    FROM (VALUES (true)) AS one
    LEFT JOIN lookups k ON k.id = %(known_id)s::bigint
    WHERE l.id = %(id)s AND l.state IN ('queued', 'asking')
    RETURNING l.id, l.folio_number
), ended_hold AS (
    INSERT INTO token_entries (user_id, lookup_id, entry, tokens, reason)
    SELECT h.user_id, h.lookup_id, CASE WHEN %(charged)s THEN 'settle' ELSE 'release' END, h.tokens, %(code)s
    FROM finished d JOIN token_entries h ON h.lookup_id = d.id AND h.entry = 'hold'
    ON CONFLICT (lookup_id) WHERE entry IN ('settle', 'release') DO NOTHING
)
SELECT pg_notify('lookups', folio_number) FROM finished
