-- Court cases as the county's files list them, and views that show them under the county's column names.

-- If a file names a party twice in one case, only the last line counts. An estate is one record that joins two lines:
-- the decedent's line, which has the address, and the petitioner's line.
CREATE OR REPLACE VIEW court_lines AS
WITH evictions AS (
    SELECT DISTINCT ON (ingestion_id, case_number, tenant_name)
           ingestion_id, 'eviction' AS record_type, case_number, line_number, filing_date AS filed_on,
           NULL::text AS case_type, NULL::text AS description, judge_section, tenant_name AS party_name,
           property_owner AS counterparty_name, NULL::numeric AS amount, NULL::date AS date_of_death,
           NULL::text AS case_status, disposition, NULL::text AS disposition_code, NULL::date AS disposition_date,
           disposition IS NOT NULL AS is_disposed, address, city, state, zip
    FROM staging_evictions
    ORDER BY ingestion_id, case_number, tenant_name, line_number DESC
), debts AS (
    SELECT DISTINCT ON (ingestion_id, case_number, defendant_name)
           ingestion_id, 'indebtedness' AS record_type, case_number, line_number, filing_date AS filed_on,
           case_type, NULL::text AS description, judge_section, defendant_name AS party_name,
           plaintiff_name AS counterparty_name, claim_amount AS amount, NULL::date AS date_of_death,
           case_status, disposition, disposition_code, disposition_date,
           coalesce(disposition, disposition_code, disposition_date::text) IS NOT NULL
           OR coalesce(case_status ~* '^(CLOSED|DISPOSED|DISMISSED|SATISFIED)', false) AS is_disposed,
           address, city, state, zip
    FROM staging_indebtedness
    ORDER BY ingestion_id, case_number, defendant_name, line_number DESC
), verdicts AS (
    SELECT DISTINCT ON (ingestion_id, case_number, defendant_name)
           ingestion_id, 'verdict' AS record_type, case_number, line_number, verdict_date AS filed_on,
           case_type, NULL::text AS description, NULL::text AS judge_section, defendant_name AS party_name,
           plaintiff_name AS counterparty_name, verdict_amount AS amount, NULL::date AS date_of_death,
           NULL::text AS case_status, NULL::text AS disposition, NULL::text AS disposition_code,
           NULL::date AS disposition_date, false AS is_disposed, address, city, state, zip
    FROM staging_verdicts
    ORDER BY ingestion_id, case_number, defendant_name, line_number DESC
), estates AS (
    SELECT p.ingestion_id, 'probate' AS record_type, p.case_number, min(p.line_number) AS line_number,
           coalesce(min(p.filing_date) FILTER (WHERE p.party_type = 'DECEDENT'), min(p.filing_date)) AS filed_on,
           NULL::text AS case_type, max(p.description) AS description, NULL::text AS judge_section,
           (array_agg(p.party_name ORDER BY p.line_number) FILTER (WHERE p.party_type = 'DECEDENT'))[1] AS party_name,
           (array_agg(p.party_name ORDER BY p.line_number) FILTER (WHERE p.party_type = 'PETITIONER'))[1]
               AS counterparty_name,
           max(p.estate_value) AS amount, max(p.date_of_death) AS date_of_death, NULL::text AS case_status,
           NULL::text AS disposition, NULL::text AS disposition_code, NULL::date AS disposition_date,
           false AS is_disposed,
           (array_agg(p.address ORDER BY p.line_number) FILTER (WHERE p.party_type = 'DECEDENT'))[1] AS address,
           (array_agg(p.city ORDER BY p.line_number) FILTER (WHERE p.party_type = 'DECEDENT'))[1] AS city,
           (array_agg(p.state ORDER BY p.line_number) FILTER (WHERE p.party_type = 'DECEDENT'))[1] AS state,
           (array_agg(p.zip ORDER BY p.line_number) FILTER (WHERE p.party_type = 'DECEDENT'))[1] AS zip
    FROM staging_probate p
    GROUP BY p.ingestion_id, p.case_number
)
SELECT row_number() OVER (PARTITION BY ingestion_id, record_type, case_number ORDER BY line_number)::integer AS entry,
       all_lines.*
FROM (SELECT * FROM evictions UNION ALL SELECT * FROM debts
      UNION ALL SELECT * FROM verdicts UNION ALL SELECT * FROM estates) all_lines;
COMMENT ON VIEW court_lines IS 'The staged lines of all court files, with the columns of court_records.';

-- These views use the county's names for the columns.
CREATE OR REPLACE VIEW eviction_records AS
SELECT case_number, filed_on AS filing_date, disposition, judge_section, party_name AS tenant_name,
       address, city, state, zip, counterparty_name AS property_owner, property_id, business_date
FROM court_records WHERE record_type = 'eviction' AND is_live;
COMMENT ON COLUMN eviction_records.tenant_name IS 'Sensitive. A tenant is never the contact of a lead.';

CREATE OR REPLACE VIEW indebtedness_cases AS
SELECT case_number, case_type, judge_section, filed_on AS filing_date, counterparty_name AS plaintiff_name,
       party_name AS defendant_name, case_status, disposition_date, disposition_code, disposition,
       amount AS claim_amount, address, city, state, zip, property_id, business_date
FROM court_records WHERE record_type = 'indebtedness' AND is_live;

CREATE OR REPLACE VIEW probate_cases AS
SELECT case_number, filed_on AS filing_date, description, party_name AS decedent_name,
       counterparty_name AS petitioner_name, date_of_death, amount AS estate_value,
       address, city, state, zip, property_id, business_date
FROM court_records WHERE record_type = 'probate' AND is_live;

CREATE OR REPLACE VIEW verdict_cases AS
SELECT case_number, filed_on AS verdict_date, case_type, counterparty_name AS plaintiff_name,
       party_name AS defendant_name, amount AS verdict_amount, address, city, state, zip, property_id, business_date
FROM court_records WHERE record_type = 'verdict' AND is_live;

CREATE OR REPLACE VIEW distressed_properties AS
SELECT property_id, record_type AS distress_type, case_number AS source_reference, min(filed_on) AS detected_on,
       CASE WHEN bool_or(is_disposed) THEN coalesce(min(disposition_date), min(business_date)) END AS resolved_on
FROM court_records
WHERE is_live AND property_id IS NOT NULL
GROUP BY property_id, record_type, case_number
UNION ALL
SELECT property_id, lead_type, source_reference, min(lead_date), NULL
FROM leads
WHERE lead_type = 'foreclosure' AND status <> 'closed'
GROUP BY property_id, lead_type, source_reference;
COMMENT ON VIEW distressed_properties IS
    'Reasons why an investor may be interested in a property. '
    'There is one row for each court case and for each open foreclosure.';
