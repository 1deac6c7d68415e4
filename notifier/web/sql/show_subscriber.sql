-- Find the subscriber that an unsubscribe link belongs to.
SELECT u.email,
       EXISTS (SELECT FROM suppressions s WHERE s.channel = 'email' AND s.address = lower(u.email)) AS is_unsubscribed
FROM users u
WHERE u.id = %(subscriber)s AND u.email IS NOT NULL
