-- Return the ids of leads that have no North American phone number.
SELECT id FROM leads WHERE id = ANY (%(leads)s) AND length(phone_key(phone_number)) IS DISTINCT FROM 10
