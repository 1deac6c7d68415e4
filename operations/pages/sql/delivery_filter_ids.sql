-- Return the kinds of a filter's queue or kind, and the leads of its folio or lead; null where it restricts neither.
SELECT CASE WHEN num_nonnulls(%(queue)s::text, %(kind)s::text) > 0 THEN coalesce((
           SELECT array_agg(kind) FROM delivery_kinds
           WHERE (%(queue)s IS NULL OR queue_name = %(queue)s) AND (%(kind)s IS NULL OR kind = %(kind)s)), '{}') END AS kinds,
       CASE WHEN %(folio)s::text IS NOT NULL THEN coalesce((
           SELECT array_agg(l.id) FROM leads l JOIN properties p ON p.id = l.property_id
           WHERE p.folio_number = %(folio)s AND (%(lead)s::bigint IS NULL OR l.id = %(lead)s)), '{}')
            WHEN %(lead)s IS NOT NULL THEN ARRAY[%(lead)s] END AS leads
