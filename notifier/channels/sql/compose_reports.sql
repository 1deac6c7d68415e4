-- Select the content of weekly reports: the leads that the subscriber was notified about in the report's week, and each
-- lead's status.
WITH report AS MATERIALIZED (
    SELECT r.*, (r.params ->> 'week_start')::date AS first_day
    FROM delivery_recipients r
    WHERE r.id = ANY (%(ids)s)
), notified AS (
    SELECT DISTINCT r.id AS report_id, l.id, l.status, t.label AS lead_type, l.lead_score, p.city
    FROM report r
    JOIN deliveries d ON d.subscriber_id = r.subscriber_id AND d.kind IN ('new_lead_alert', 'urgent_lead_sms')
                     AND new_york_day(d.accepted_at) BETWEEN r.first_day AND r.first_day + 6
    JOIN leads l ON l.id = d.lead_id
    JOIN lead_types t ON t.lead_type = l.lead_type
    JOIN properties p ON p.id = l.property_id
)
SELECT r.*, r.first_day + 6 AS last_day,
       count(n.id) AS total_leads,
       count(n.id) FILTER (WHERE n.status IN ('contacted', 'converted')) AS contacted,
       count(n.id) FILTER (WHERE n.status = 'converted') AS converted,
       round(avg(n.lead_score))::integer AS avg_score,
       mode() WITHIN GROUP (ORDER BY n.lead_type) AS top_type,
       mode() WITHIN GROUP (ORDER BY n.city) AS top_city
FROM report r
LEFT JOIN notified n ON n.report_id = r.id
GROUP BY r.id, r.kind, r.subscriber_id, r.lead_id, r.params, r.priority, r.due_at, r.attempts, r.first_name, r.email,
         r.phone_number, r.token_balance, r.preferences, r.subscription_type, r.trial_ends_at, r.is_suppressed,
         r.mailed_today, r.first_day
ORDER BY r.priority DESC, r.id
