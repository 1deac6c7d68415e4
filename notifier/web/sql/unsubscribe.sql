-- Suppress a subscriber's e-mail address. If a bounce or complaint has already suppressed the address, that reason
-- stays.
WITH subscriber AS (
    SELECT u.email FROM users u WHERE u.id = %(subscriber)s AND u.email IS NOT NULL
), suppressed AS (
    INSERT INTO suppressions (channel, address, reason)
    SELECT 'email', lower(subscriber.email), 'unsubscribe' FROM subscriber
    ON CONFLICT (channel, address) DO NOTHING
)
SELECT email, true AS is_unsubscribed FROM subscriber
