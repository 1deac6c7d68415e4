-- Select the SMS messages to ask Twilio about: messages whose outcome is unknown, messages that have had no final
-- status for an hour, and parked messages. A parked SMS is checked once an hour for a day.
SELECT d.id, d.kind, d.state, d.lead_id, d.provider_id, d.body, d.claimed_at,
       coalesce(d.recipient, u.phone_number) AS recipient
FROM deliveries d
JOIN users u ON u.id = d.subscriber_id
WHERE d.channel = 'sms'
  AND (d.state = 'unknown' AND d.updated_at < now() - make_interval(secs => 60 * %(scale)s)
       OR d.state IN ('accepted', 'sent') AND d.provider_id IS NOT NULL
          AND d.updated_at BETWEEN now() - make_interval(hours => 72) AND now() - make_interval(secs => 3600 * %(scale)s)
       OR d.state = 'parked' AND d.check_at <= now() AND d.updated_at > now() - make_interval(hours => 25) * %(scale)s)
ORDER BY d.state = 'unknown' DESC, d.updated_at
LIMIT %(limit)s
