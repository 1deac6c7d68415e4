-- All that a lead's e-mail or text says, and all that may forbid it, for a whole batch.
SELECT d.id, d.subscriber_id, d.lead_id,
       u.first_name, u.email, u.phone_number, u.token_balance, u.email_preferences AS preferences,
       l.status AS lead_status, l.lead_type, l.lead_score, l.lead_date, l.estimated_equity,
       p.address, p.unit, p.city, p.owner_name, p.property_type, p.building_sqft, p.lot_size_acres, p.year_built,
       EXISTS (SELECT FROM suppressions s
               WHERE s.channel = d.channel
                 AND s.address = CASE d.channel WHEN 'email' THEN lower(u.email) ELSE u.phone_number END)
           AS is_suppressed,
       CASE WHEN u.email_preferences ? 'max_daily_emails' THEN (
           SELECT count(*) FROM deliveries o
           WHERE o.subscriber_id = d.subscriber_id
             AND o.kind IN ('new_lead_alert', 'daily_digest', 'weekly_report')
             AND new_york_day(o.accepted_at) = new_york_day(now())
       ) END AS mailed_today
FROM deliveries d
JOIN users u ON u.id = d.subscriber_id
JOIN leads l ON l.id = d.lead_id
JOIN properties p ON p.id = l.property_id
WHERE d.id = ANY (%(ids)s)
ORDER BY d.priority DESC, d.id
