-- Return the deliveries that the text of the search box means, without those of some subscribers.
SELECT * FROM deliveries
WHERE id IN (
    SELECT id FROM deliveries WHERE id = %(number)s
    UNION SELECT id FROM deliveries WHERE dedupe_key = %(q)s
    UNION SELECT id FROM deliveries WHERE provider_id = ANY (%(providers)s)
    UNION SELECT id FROM deliveries WHERE error_code = %(q)s
    UNION SELECT id FROM deliveries WHERE lead_id = ANY (%(found_leads)s)
    UNION SELECT id FROM deliveries WHERE recipient = %(phone)s AND channel <> 'email'
)
AND (subscriber_id IS NULL OR subscriber_id <> ALL (%(found_subscribers)s))
OFFSET 0
