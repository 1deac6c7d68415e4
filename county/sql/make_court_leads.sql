-- Create at most one lead for each property, lead type and case, based on what was known on the business date.
CREATE TEMP TABLE classified_cases ON COMMIT DROP AS
SELECT c.record_type, c.case_number, v.property_id, v.entry, v.filed_on, v.party_name, v.counterparty_name,
       p.folio_number, p.owner_name, concat_ws(' ', p.address, p.unit) AS address,
       p.assessed_value - coalesce(p.mortgage_balance, 0) AS equity
FROM pending_cases c
CROSS JOIN LATERAL (
    SELECT v.* FROM court_records v
    WHERE (v.record_type, v.case_number) = (c.record_type, c.case_number) AND v.business_date <= %(day)s::date
    ORDER BY v.business_date DESC FETCH FIRST 1 ROW WITH TIES) v
JOIN properties p ON p.id = v.property_id
-- Once a case has been disposed of, it counts as disposed of forever. The date is compared inside bool_or, because a
-- comparison in WHERE would make the planner choose the index on business_date.
CROSS JOIN LATERAL (
    SELECT bool_or(d.is_disposed AND d.business_date <= %(day)s::date) AS is_over
    FROM court_records d
    WHERE (d.record_type, d.case_number) = (c.record_type, c.case_number)) d
WHERE c.business_date = %(day)s::date AND v.filed_on <= %(day)s::date AND d.is_over IS NOT TRUE;
ANALYZE classified_cases;

-- The tenant in an eviction case is never a lead's contact, even if the file or the roll names the tenant as the owner.
CREATE TEMP TABLE tenants ON COMMIT DROP AS
SELECT DISTINCT j.case_number, name_key(v.party_name) AS name
FROM (SELECT DISTINCT case_number FROM classified_cases WHERE record_type = 'eviction') j
CROSS JOIN LATERAL (
    SELECT o.party_name FROM court_records o
    WHERE o.record_type = 'eviction' AND o.case_number = j.case_number AND o.party_name IS NOT NULL
    OFFSET 0) v;
CREATE INDEX ON tenants (case_number);
ANALYZE tenants;

WITH contacts AS (
    SELECT DISTINCT ON (j.property_id, j.record_type, j.case_number)
           j.*,
           CASE j.record_type
               WHEN 'eviction' THEN (
                   SELECT n.name FROM (VALUES (1, j.counterparty_name), (2, j.owner_name)) AS n (rank, name)
                   WHERE n.name IS NOT NULL AND NOT EXISTS (
                       SELECT FROM tenants t
                       WHERE t.case_number = j.case_number AND t.name = name_key(n.name))
                   ORDER BY n.rank LIMIT 1)
               WHEN 'probate' THEN j.counterparty_name
               ELSE j.party_name
           END AS contact_name
    FROM classified_cases j
    WHERE NOT was_sold(j.folio_number, j.filed_on, %(day)s::date)
    ORDER BY j.property_id, j.record_type, j.case_number, j.entry
), made AS (
    INSERT INTO leads (property_id, lead_type, lead_source, source_reference, lead_date, business_date,
                       contact_name, contact_address, estimated_equity, lead_score)
    SELECT property_id, record_type, %(ingestion_type)s, case_number, filed_on, %(day)s::date,
           contact_name, address, equity, lead_base_score(record_type)
    FROM contacts
    ON CONFLICT (property_id, lead_type, source_reference) DO NOTHING
    RETURNING lead_type
)
UPDATE data_ingestion_logs
SET new_leads_generated = new_leads_generated + (SELECT count(*) FROM made)
WHERE id = %(ingestion_id)s
RETURNING (SELECT count(*) FROM made) AS leads,
          (SELECT coalesce(jsonb_object_agg(lead_type, n), '{}')
           FROM (SELECT lead_type, count(*) AS n FROM made GROUP BY lead_type) t) AS by_type
