-- Mark new calls, which hold no tokens, as failed if their lead has no phone number.
UPDATE deliveries
SET state = 'failed', error_code = 'no_phone_number', error_message = 'the lead has no phone number', updated_at = now()
WHERE id = ANY (%(ids)s) AND state = 'queued'
RETURNING id
