-- Return the ids of leads whose phone number is missing or invalid.
SELECT id FROM leads WHERE id = ANY (%(leads)s) AND e164(phone_number) IS NULL
