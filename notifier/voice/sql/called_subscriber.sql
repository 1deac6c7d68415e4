-- Find the subscriber whose number was called, and the subscriber's active script.
SELECT u.id AS subscriber_id, s.id AS script_id
FROM users u
JOIN ai_scripts s ON s.subscriber_id = u.id AND s.is_active
WHERE e164(u.twilio_phone_number) = e164(%(called)s)
ORDER BY u.id, s.id
LIMIT 1
