-- Enqueue one report for each subscriber who wants weekly reports and was subscribed during the report's week.
SELECT count(*) FILTER (WHERE o.opened) AS opened,
       count(*) FILTER (WHERE o.opened AND o.state = 'skipped') AS unpaid
FROM open_deliveries((
    SELECT array_agg(ROW ('weekly_report', u.id, NULL, 'report:' || u.id || ':' || %(week_start)s::date, NULL, NULL,
                          jsonb_build_object('week_start', %(week_start)s::date), NULL)::delivery_request ORDER BY u.id)
    FROM users u
    WHERE u.subscription_status IN ('active', 'trialing') AND u.email <> ''
      AND plain_preferences(u.email_preferences) -> 'weekly_report' IS DISTINCT FROM 'false'
      AND u.created_at < ((%(week_start)s::date + 7)::timestamp AT TIME ZONE 'America/New_York'))) o
