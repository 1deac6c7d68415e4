-- Write %(subscribers)s subscribers.
INSERT INTO users (id, email, first_name, phone_number, subscription_status, token_balance)
SELECT n, 'person' || n || '@example.com', 'Pat', '+1305' || lpad((2000000 + n)::text, 7, '0'), 'active', 1000
FROM generate_series(1, %(subscribers)s) AS n
