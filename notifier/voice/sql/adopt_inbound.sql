-- Set the subscriber and the price of an inbound call.
UPDATE deliveries SET subscriber_id = %(subscriber)s, tokens = %(tokens)s, updated_at = now()
WHERE id = %(id)s AND claim = %(claim)s
RETURNING id
