-- Return the units of the county's API that are used and allowed today, and the balance in the latest answer.
SELECT coalesce(b.used, 0) AS used, b.cap,
       (SELECT l.remaining_balance FROM miami_dade_api_logs l
        WHERE l.remaining_balance IS NOT NULL ORDER BY l.created_at DESC LIMIT 1) AS balance
FROM (SELECT new_york_day(now()) AS day) today
LEFT JOIN api_unit_budget b USING (day)
