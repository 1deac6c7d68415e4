-- Return one subscriber with the lead criteria.
SELECT u.id, u.first_name, u.last_name, u.email, u.phone_number, u.twilio_phone_number, u.subscription_type AS plan,
       u.subscription_status AS status, u.token_balance AS balance, u.trial_ends_at, u.created_at,
       plain_preferences(u.email_preferences) AS preferences,
       (SELECT coalesce(jsonb_agg(to_jsonb(c) - 'subscriber_id'), '[]') FROM subscriber_lead_criteria c
        WHERE c.subscriber_id = u.id) AS criteria
FROM users u WHERE u.id = %(id)s
