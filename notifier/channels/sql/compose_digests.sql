-- Select the content of digests: the open leads that match the subscriber's criteria and were announced since the
-- previous digest, but at most seven days ago. Many subscribers have the same criteria, so the leads are selected once
-- for each wish: a set of criteria with a period.
WITH digest AS MATERIALIZED (
    SELECT r.*, greatest(r.due_at - interval '7 days', (
        SELECT max(b.due_at) FROM deliveries b
        WHERE b.subscriber_id = r.subscriber_id AND b.kind = 'daily_digest' AND b.due_at < r.due_at
          AND b.created_at > r.due_at - interval '9 days'
          -- Skip digests that were never sent.
          AND (b.accepted_at IS NOT NULL OR b.error_code = 'no_new_leads')
    )) AS since
    FROM delivery_recipients r
    WHERE r.id = ANY (%(ids)s)
), wishes AS MATERIALIZED (
    SELECT w.id, min(w.id) OVER (PARTITION BY w.since, w.due_at, w.criteria) AS wish
    FROM (
        SELECT g.id, g.since, g.due_at,
               array_agg(ROW (c.lead_types, c.cities, c.min_score)::text ORDER BY c.lead_types, c.cities, c.min_score) AS criteria
        FROM digest g
        JOIN subscriber_lead_criteria c ON c.subscriber_id = g.subscriber_id
        GROUP BY g.id, g.since, g.due_at
    ) w
), announced AS MATERIALIZED (
    SELECT l.id, l.lead_type, l.lead_score, l.announced_at, t.label, lower(p.city) AS city, lower(m.municipality) AS municipality,
           jsonb_build_object('lead_id', l.id, 'lead_type', t.label, 'lead_score', l.lead_score,
                              'estimated_equity', l.estimated_equity, 'address', p.address, 'unit', p.unit,
                              'city', p.city, 'owner_name', p.owner_name) AS content
    FROM leads l
    JOIN lead_types t ON t.lead_type = l.lead_type
    JOIN properties p ON p.id = l.property_id
    LEFT JOIN municipalities m ON m.folio_prefix = left(p.folio_number, 2)
    WHERE l.announced_at > (SELECT min(since) FROM digest) AND l.announced_at <= (SELECT max(due_at) FROM digest)
      AND l.status IN ('new', 'contacted')
), criteria AS MATERIALIZED (
    SELECT g.id AS wish, g.since, g.due_at, wanted.lead_type, coalesce(c.min_score, 0) AS min_score,
           (SELECT array_agg(lower(city)) FROM unnest(c.cities) AS city) AS cities
    FROM digest g
    JOIN subscriber_lead_criteria c ON c.subscriber_id = g.subscriber_id
    CROSS JOIN LATERAL unnest(c.lead_types) AS wanted (lead_type)
    WHERE g.id IN (SELECT wish FROM wishes)
), matches AS MATERIALIZED (
    SELECT DISTINCT c.wish, l.id AS lead_id, l.label, l.lead_score
    FROM criteria c
    JOIN announced l ON l.lead_type = c.lead_type AND l.lead_score >= c.min_score
                    AND l.announced_at > c.since AND l.announced_at <= c.due_at
    WHERE c.cities IS NULL OR l.city = ANY (c.cities) OR l.municipality = ANY (c.cities)
), best AS (
    SELECT r.wish, jsonb_agg(a.content ORDER BY r.place) AS leads
    FROM (SELECT wish, lead_id, row_number() OVER (PARTITION BY wish ORDER BY lead_score DESC, lead_id) AS place
          FROM matches) r
    JOIN announced a ON a.id = r.lead_id
    WHERE r.place <= 20
    GROUP BY r.wish
), summary AS (
    SELECT wish, sum(leads) AS total_leads, round(sum(scores) / sum(leads))::integer AS avg_score,
           jsonb_object_agg(label, leads) AS breakdown
    FROM (SELECT wish, label, count(*) AS leads, sum(lead_score) AS scores FROM matches GROUP BY wish, label) AS by_type
    GROUP BY wish
)
SELECT g.*, coalesce(s.total_leads, 0)::bigint AS total_leads, s.avg_score, coalesce(b.leads, '[]') AS leads,
       coalesce(s.breakdown, '{}') AS breakdown
FROM digest g
LEFT JOIN wishes w ON w.id = g.id
LEFT JOIN summary s ON s.wish = w.wish
LEFT JOIN best b ON b.wish = w.wish
ORDER BY g.priority DESC, g.id
