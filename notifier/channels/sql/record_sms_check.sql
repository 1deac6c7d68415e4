-- The next in line comes first next time; a text that is parked is asked about for a day, counted from its parking.
UPDATE deliveries
SET updated_at = CASE state WHEN 'parked' THEN updated_at ELSE now() END,
    check_at = CASE state WHEN 'parked' THEN now() + make_interval(hours => 1) * %(scale)s END
WHERE id = %(id)s AND state IN ('accepted', 'sent', 'parked')
