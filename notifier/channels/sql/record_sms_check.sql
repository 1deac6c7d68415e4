-- Record that Twilio was asked about an SMS, so that the next run asks about other SMS messages first. A parked SMS is
-- checked once an hour for a day. This day begins at updated_at, so the statement does not change updated_at for a
-- parked SMS.
UPDATE deliveries
SET updated_at = CASE state WHEN 'parked' THEN updated_at ELSE now() END,
    check_at = CASE state WHEN 'parked' THEN now() + make_interval(hours => 1) * %(scale)s END
WHERE id = %(id)s AND state IN ('accepted', 'sent', 'parked')
