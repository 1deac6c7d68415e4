-- Mark an inbound call as accepted as soon as its tokens are held, because the call is already in progress.
UPDATE deliveries
SET state = 'accepted', attempts = 1, provider_id = %(sid)s, sender = %(caller)s, recipient = %(called)s,
    claimed_at = now(), accepted_at = now(), updated_at = now(),
    check_at = now() + make_interval(secs => %(scale)s * %(longest)s)
WHERE dedupe_key = 'inbound:' || %(sid)s AND state = 'queued' AND subscriber_id IS NOT NULL
RETURNING id
