-- Mark new calls as failed, because their leads have no phone number. These calls hold no tokens.
UPDATE deliveries
SET state = 'failed', error_code = 'no_phone_number', error_message = 'the lead has no phone number', updated_at = now()
WHERE id = ANY (%(ids)s) AND state = 'queued'
RETURNING id
