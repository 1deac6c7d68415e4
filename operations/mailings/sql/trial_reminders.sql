-- Enqueue reminders for trials that end 7, 3 or 1 days after the business date, counted in New York dates. Also enqueue
-- reminders that became due on days without a run. If several reminders were missed, only the one closest to the end of
-- the trial is enqueued, with the number of days left. The end of the trial is part of the key, so an extended trial
-- gets new reminders.
WITH noted AS (
    INSERT INTO mailing_runs AS m (mailing, last_day) VALUES ('trial_reminders', %(day)s)
    ON CONFLICT (mailing) DO UPDATE SET last_day = greatest(m.last_day, excluded.last_day)
), before AS (
    SELECT least(coalesce(max(last_day), %(day)s), %(day)s::date - 1) AS last_day
    FROM mailing_runs WHERE mailing = 'trial_reminders'
), trials AS (
    SELECT id, created_at, trial_ends_at, new_york_day(trial_ends_at) AS ends
    FROM users
    WHERE subscription_status = 'trialing' AND email <> ''
), due AS (
    SELECT t.id, t.ends - %(day)s::date AS days_left, min(r.days) AS reminder
    FROM before b, trials t, unnest('{7,3,1}'::integer[]) AS r (days)
    WHERE t.ends - r.days = %(day)s
       OR t.ends - r.days > b.last_day AND t.ends - r.days < %(day)s AND t.trial_ends_at > %(now)s
      -- A reminder does not count as missed if it was due before the subscriber was created.
      AND t.created_at < (t.ends - r.days + time '09:00') AT TIME ZONE 'America/New_York'
    GROUP BY t.id, t.ends
)
SELECT count(*) FILTER (WHERE o.opened) AS opened,
       count(*) FILTER (WHERE o.opened AND o.state = 'skipped') AS unpaid
FROM open_deliveries((
    SELECT array_agg(ROW ('expiring_trial', d.id, NULL, trial_key(d.id, d.reminder), NULL, NULL,
                          jsonb_build_object('days_remaining', d.days_left), NULL)::delivery_request ORDER BY d.id)
    FROM due d)) o
