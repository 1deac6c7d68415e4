-- Return the latest events that the provider reported for a delivery, with the state and the code that each event means.
SELECT e.provider, e.event, e.provider_id, e.occurred_at, e.received_at, e.applied_at, e.details ->> 'code' AS code,
       c.meaning, e.details ->> 'seconds' AS seconds, m.state, coalesce(m.suppresses, false) AS suppresses
FROM delivery_events e
LEFT JOIN event_meanings m ON m.provider = e.provider AND m.event = e.event
LEFT JOIN delivery_codes c ON c.code = e.details ->> 'code'
WHERE e.delivery_id = %(id)s
ORDER BY e.id DESC LIMIT %(limit)s
