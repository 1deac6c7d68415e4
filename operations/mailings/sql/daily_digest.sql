-- Enqueue one digest for each subscriber who wants it, due at the subscriber's next digest time after 5:00 in New York.
-- The app's users write the preferences (JSON), so an invalid time of day or time zone counts as not set.
WITH zones AS MATERIALIZED (
    SELECT name FROM pg_timezone_names
), wishes AS (
    SELECT u.id,
           CASE WHEN u.email_preferences ->> 'digest_time' ~ '^([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d)?$'
                THEN (u.email_preferences ->> 'digest_time')::time ELSE '08:00' END AS at,
           coalesce(z.name, 'America/New_York') AS zone
    FROM users u
    LEFT JOIN zones z ON z.name = u.email_preferences ->> 'digest_timezone'
    WHERE u.subscription_status IN ('active', 'trialing') AND u.email <> ''
      AND plain_preferences(u.email_preferences) -> 'daily_digest' IS DISTINCT FROM 'false'
), moments AS (
    SELECT w.*, (%(day)s::date + time '05:00') AT TIME ZONE 'America/New_York' AS run
    FROM wishes w
), due AS (
    -- Add whole days in local time, so that a change to or from daylight saving time does not shift a digest's time of
    -- day.
    SELECT m.id,
           ((m.run AT TIME ZONE m.zone)::date + m.at) AT TIME ZONE m.zone AS same_day,
           ((m.run AT TIME ZONE m.zone)::date + 1 + m.at) AT TIME ZONE m.zone AS next_day,
           m.run
    FROM moments m
)
SELECT count(*) FILTER (WHERE o.opened) AS opened,
       count(*) FILTER (WHERE o.opened AND o.state = 'skipped') AS unpaid
FROM open_deliveries((
    SELECT array_agg(ROW ('daily_digest', d.id, NULL, 'digest:' || d.id || ':' || %(day)s::date, NULL,
                          CASE WHEN d.same_day >= d.run THEN d.same_day ELSE d.next_day END,
                          jsonb_build_object('day', %(day)s::date), NULL)::delivery_request ORDER BY d.id)
    FROM due d)) o
