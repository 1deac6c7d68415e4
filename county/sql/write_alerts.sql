-- For each new lead of the day, enqueue one delivery per channel to each subscriber whose criteria the lead meets. If
-- only_new is true, leads are left out that were created before this transaction.
CREATE TEMP TABLE announced ON COMMIT DROP AS
SELECT l.id, l.lead_type, l.lead_score, lower(p.city) AS city, lower(m.municipality) AS municipality
FROM leads l
JOIN properties p ON p.id = l.property_id
LEFT JOIN municipalities m ON m.folio_prefix = left(p.folio_number, 2)
WHERE l.business_date = %(day)s::date AND l.lead_source = %(ingestion_type)s
  AND l.announced_at IS NULL AND l.status = 'new'
  AND (NOT %(only_new)s OR l.created_at = now())
FOR NO KEY UPDATE OF l;

WITH wishes AS (
    SELECT c.subscriber_id, c.lead_types, c.min_score, c.channels,
           (SELECT array_agg(lower(city)) FROM unnest(c.cities) AS city) AS cities
    FROM subscriber_lead_criteria c
    JOIN users u ON u.id = c.subscriber_id AND u.subscription_status IN ('active', 'trialing')
), matches AS (
    SELECT DISTINCT a.id AS lead_id, a.lead_score, w.subscriber_id, k.kind
    FROM announced a
    JOIN wishes w
      ON a.lead_type = ANY (w.lead_types)
     AND a.lead_score >= coalesce(w.min_score, 0)
     AND (w.cities IS NULL OR a.city = ANY (w.cities) OR a.municipality = ANY (w.cities))
    JOIN lead_types t USING (lead_type)
    JOIN (VALUES ('email', 'new_lead_alert'), ('sms', 'urgent_lead_sms')) AS k (channel, kind)
      ON k.channel = ANY (w.channels)
     AND (k.kind = 'new_lead_alert' OR t.is_urgent OR a.lead_score >= 90)
), opened AS (
    SELECT o.state
    FROM open_deliveries((
        SELECT array_agg(ROW (kind, subscriber_id, lead_id, 'lead:' || lead_id || ':user:' || subscriber_id || ':' || kind,
                              lead_score, NULL, NULL, NULL)::delivery_request
                         ORDER BY lead_score DESC, lead_id, subscriber_id, kind)
        FROM matches)) o
    WHERE o.opened
), counted AS (
    SELECT count(*) AS alerts, count(*) FILTER (WHERE state = 'skipped') AS unpaid FROM opened
), marked AS (
    UPDATE leads SET announced_at = now() FROM announced a WHERE leads.id = a.id
)
UPDATE data_ingestion_logs SET alerts_written = alerts_written + c.alerts
FROM counted c
WHERE id = %(ingestion_id)s
RETURNING c.alerts, c.unpaid, (SELECT count(*) FROM announced) AS leads
