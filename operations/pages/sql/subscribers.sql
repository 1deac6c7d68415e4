-- Return subscribers after or before an id, filtered, newest first.
SELECT u.id, u.first_name, u.email, u.phone_number, u.subscription_type AS plan, u.subscription_status AS status,
       u.token_balance AS balance, u.trial_ends_at, u.created_at
FROM users u
WHERE (%(before)s::bigint IS NULL OR u.id < %(before)s)
  AND (%(status)s::text IS NULL OR u.subscription_status = %(status)s)
  AND (%(below)s::bigint IS NULL OR u.token_balance < %(below)s)
  AND (%(id)s::bigint IS NULL OR u.id = %(id)s)
ORDER BY u.id DESC
LIMIT %(limit)s
