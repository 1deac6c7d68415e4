-- Close each lead whose reason has ended according to all data known now, including later days, and cancel the lead's
-- queued deliveries. Reads pending_cases and deletes the day's rows there.
CREATE TEMP TABLE ended ON COMMIT DROP AS
SELECT l.id
FROM pending_cases c
JOIN leads l ON l.source_reference = c.case_number AND l.lead_type = c.record_type
            AND l.lead_type IN ('eviction', 'indebtedness', 'probate', 'verdict')
JOIN properties p ON p.id = l.property_id
WHERE c.business_date = %(day)s::date AND l.status IN ('new', 'contacted')
  AND (NOT EXISTS (
           SELECT FROM court_records v
           WHERE (v.record_type, v.case_number) = (c.record_type, c.case_number)
             AND v.is_live AND v.property_id = l.property_id)
       OR EXISTS (
           SELECT FROM court_records v
           WHERE (v.record_type, v.case_number) = (c.record_type, c.case_number) AND v.is_disposed)
       OR was_sold(p.folio_number, l.lead_date, 'infinity'));

UPDATE leads SET status = 'closed' FROM ended WHERE leads.id = ended.id;

SELECT cancel_deliveries(array_agg(d.id), 'lead_closed')
FROM ended JOIN deliveries d ON d.lead_id = ended.id AND d.state = 'queued';

DELETE FROM pending_cases WHERE business_date = %(day)s::date;
SELECT count(*) AS closed FROM ended
