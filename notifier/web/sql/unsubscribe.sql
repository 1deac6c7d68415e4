-- A subscriber wants no more e-mail; whoever bounced or complained before stays suppressed for that reason.
WITH asked AS (
    SELECT u.email FROM users u WHERE u.id = %(subscriber)s AND u.email IS NOT NULL
), suppressed AS (
    INSERT INTO suppressions (channel, address, reason)
    SELECT 'email', lower(asked.email), 'unsubscribe' FROM asked
    ON CONFLICT (channel, address) DO NOTHING
)
SELECT email FROM asked
