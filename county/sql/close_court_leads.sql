-- For each lead from the day's cases, decide whether the reason for the lead still applies, based on all data known
-- now, including data from later days. Creates checked_leads(id, status, has_ended); deletes the day's rows from
-- pending_cases.
CREATE TEMP TABLE checked_leads ON COMMIT DROP AS
SELECT l.id, l.status,
       NOT EXISTS (
           SELECT FROM court_records v
           WHERE (v.record_type, v.case_number) = (c.record_type, c.case_number)
             AND v.is_live AND v.property_id = l.property_id)
       OR EXISTS (
           SELECT FROM court_records v
           WHERE (v.record_type, v.case_number) = (c.record_type, c.case_number) AND v.is_disposed)
       OR was_sold(p.folio_number, l.lead_date, 'infinity') AS has_ended
FROM pending_cases c
JOIN leads l ON l.source_reference = c.case_number AND l.lead_type = c.record_type
            AND l.lead_type IN ('eviction', 'indebtedness', 'probate', 'verdict')
JOIN properties p ON p.id = l.property_id
WHERE c.business_date = %(day)s::date
  AND (l.status IN ('new', 'contacted') OR l.status = 'closed' AND l.reopens_as IS NOT NULL);

DELETE FROM pending_cases WHERE business_date = %(day)s::date
