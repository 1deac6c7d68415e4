-- Record that Twilio was asked about an SMS, so that the next run asks about other SMS first. A parked SMS is checked
-- each hour for a day. The day begins at updated_at, so this statement does not change updated_at.
UPDATE deliveries
SET updated_at = CASE state WHEN 'parked' THEN updated_at ELSE now() END,
    check_at = CASE state WHEN 'parked' THEN now() + make_interval(hours => 1) * %(scale)s END
WHERE id = %(id)s AND state IN ('accepted', 'sent', 'parked')
