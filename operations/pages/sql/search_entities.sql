-- Return what the text of the search box can mean: subscribers, leads, a phone number, and whether it is an id, key or
-- number of a delivery.
SELECT coalesce((SELECT array_agg(u.id) FROM users u
                 WHERE u.id = %(number)s OR lower(u.email) = lower(%(q)s)
                    OR u.phone_number = e164(%(q)s) OR u.twilio_phone_number = e164(%(q)s)), '{}') AS subscribers,
       coalesce((SELECT array_agg(l.id) FROM (
                     SELECT id FROM leads WHERE phone_number = e164(%(q)s)
                     UNION
                     SELECT l.id FROM leads l JOIN properties p ON p.id = l.property_id WHERE p.folio_number = %(folio)s
                 ) AS l), '{}') AS leads,
       e164(%(q)s) AS phone,
       EXISTS (SELECT FROM deliveries WHERE id = %(number)s)
           OR EXISTS (SELECT FROM deliveries WHERE dedupe_key = %(q)s)
           OR EXISTS (SELECT FROM deliveries WHERE provider_id = ANY (%(providers)s))
           OR EXISTS (SELECT FROM deliveries WHERE recipient = e164(%(q)s) AND channel <> 'email') AS is_exact
