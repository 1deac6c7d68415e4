-- Record that Twilio was asked, so that the next run asks about another SMS first. A parked SMS is checked each hour for a
-- day, counted from when it was parked, so its updated_at stays.
UPDATE deliveries
SET updated_at = CASE state WHEN 'parked' THEN updated_at ELSE now() END,
    check_at = CASE state WHEN 'parked' THEN now() + make_interval(hours => 1) * %(scale)s END
WHERE id = %(id)s AND state IN ('accepted', 'sent', 'parked')
