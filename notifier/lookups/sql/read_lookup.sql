-- Return a lookup's state and its property.
SELECT l.state, l.total_records, l.units_consumed, l.remaining_balance, l.error_code, l.error_message,
       c.*
FROM lookups l
LEFT JOIN properties c ON c.folio_number = l.folio_number
WHERE l.id = %(id)s
