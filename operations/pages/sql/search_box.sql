-- Return what the text of the search box means, if it is a delivery's id, or the address or number of a subscriber or
-- lead. A number that no subscriber and no lead has any longer is looked up among the recipients of deliveries. If leads
-- share a number, the one with the latest delivery is chosen.
WITH asked AS (
    SELECT e164(%(text)s) AS phone
), recipient AS (
    SELECT d.channel, d.subscriber_id, d.lead_id FROM asked a JOIN deliveries d ON d.recipient = a.phone
    WHERE d.channel <> 'email' AND d.recipient IS NOT NULL LIMIT 1
)
SELECT (SELECT id FROM deliveries WHERE id = %(id)s) AS delivery, a.phone,
       coalesce((SELECT u.id FROM users u
                 WHERE lower(u.email) = lower(%(text)s) OR u.phone_number = a.phone OR u.twilio_phone_number = a.phone
                 ORDER BY u.id DESC LIMIT 1),
                (SELECT subscriber_id FROM recipient WHERE channel = 'sms')) AS subscriber,
       coalesce((SELECT l.id FROM (SELECT id FROM leads WHERE phone_number = a.phone LIMIT 100) l
                 ORDER BY (SELECT max(d.id) FROM deliveries d WHERE d.lead_id = l.id) DESC NULLS LAST, l.id DESC LIMIT 1),
                (SELECT lead_id FROM recipient WHERE channel = 'voice')) AS lead
FROM asked a
