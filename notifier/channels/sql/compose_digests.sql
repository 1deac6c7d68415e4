-- Select the content of digests: the open leads that match the subscriber's criteria and were announced since the
-- previous digest, but at most seven days ago.
WITH digest AS MATERIALIZED (
    SELECT r.*, greatest(r.due_at - interval '7 days', (
        SELECT max(b.due_at) FROM deliveries b
        WHERE b.subscriber_id = r.subscriber_id AND b.kind = 'daily_digest' AND b.due_at < r.due_at
          -- Skip digests that were never sent.
          AND (b.accepted_at IS NOT NULL OR b.error_code = 'no_new_leads')
    )) AS since
    FROM delivery_recipients r
    WHERE r.id = ANY (%(ids)s)
), criteria AS (
    SELECT g.id, g.since, g.due_at, c.lead_types, coalesce(c.min_score, 0) AS min_score,
           (SELECT array_agg(lower(city)) FROM unnest(c.cities) AS city) AS cities
    FROM digest g
    JOIN subscriber_lead_criteria c ON c.subscriber_id = g.subscriber_id
), matches AS (
    SELECT DISTINCT w.id AS digest_id, l.id AS lead_id, t.label AS lead_type, l.lead_score, l.estimated_equity,
           p.address, p.unit, p.city, p.owner_name
    FROM criteria w
    JOIN leads l ON l.announced_at > w.since AND l.announced_at <= w.due_at AND l.status IN ('new', 'contacted')
                AND l.lead_type = ANY (w.lead_types) AND l.lead_score >= w.min_score
    JOIN lead_types t ON t.lead_type = l.lead_type
    JOIN properties p ON p.id = l.property_id
    LEFT JOIN municipalities m ON m.folio_prefix = left(p.folio_number, 2)
    WHERE w.cities IS NULL OR lower(p.city) = ANY (w.cities) OR lower(m.municipality) = ANY (w.cities)
), ranked AS (
    SELECT f.*, row_number() OVER (PARTITION BY f.digest_id ORDER BY f.lead_score DESC, f.lead_id) AS place
    FROM matches f
), summary AS (
    SELECT digest_id, count(*) AS total_leads, round(avg(lead_score))::integer AS avg_score,
           jsonb_agg(jsonb_build_object('lead_id', lead_id, 'lead_type', lead_type, 'lead_score', lead_score,
                                        'estimated_equity', estimated_equity, 'address', address, 'unit', unit,
                                        'city', city, 'owner_name', owner_name) ORDER BY place)
               FILTER (WHERE place <= 20) AS leads
    FROM ranked GROUP BY digest_id
), breakdowns AS (
    SELECT digest_id, jsonb_object_agg(lead_type, leads) AS breakdown
    FROM (SELECT digest_id, lead_type, count(*) AS leads FROM matches GROUP BY digest_id, lead_type) AS counted
    GROUP BY digest_id
)
SELECT g.*, coalesce(s.total_leads, 0) AS total_leads, s.avg_score, coalesce(s.leads, '[]') AS leads,
       coalesce(k.breakdown, '{}') AS breakdown
FROM digest g
LEFT JOIN summary s ON s.digest_id = g.id
LEFT JOIN breakdowns k ON k.digest_id = g.id
ORDER BY g.priority DESC, g.id
