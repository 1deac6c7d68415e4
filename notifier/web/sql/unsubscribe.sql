-- Suppress a subscriber's e-mail address. If the address is already suppressed because of a bounce or complaint, keep
-- that reason.
WITH subscriber AS (
    SELECT u.email FROM users u WHERE u.id = %(subscriber)s AND u.email IS NOT NULL
), suppressed AS (
    INSERT INTO suppressions (channel, address, reason)
    SELECT 'email', lower(subscriber.email), 'unsubscribe' FROM subscriber
    ON CONFLICT (channel, address) DO NOTHING
)
SELECT email, true AS is_unsubscribed FROM subscriber
