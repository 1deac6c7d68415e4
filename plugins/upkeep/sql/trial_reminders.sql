-- Trials that end 7, 3 or 1 New York days after the day. The end is part of the key: a trial that was extended is
-- reminded of anew.
SELECT count(*) FILTER (WHERE o.opened) AS opened,
       count(*) FILTER (WHERE o.opened AND o.state = 'skipped') AS unpaid
FROM open_deliveries((
    SELECT array_agg(ROW ('expiring_trial', t.id, NULL, trial_key(t.id, t.days), NULL, NULL,
                          jsonb_build_object('days_remaining', t.days), NULL)::delivery_request ORDER BY t.id)
    FROM (SELECT id, new_york_day(trial_ends_at) - %(day)s::date AS days
          FROM users
          WHERE subscription_status = 'trialing' AND email <> '') t
    WHERE t.days IN (7, 3, 1))) o
