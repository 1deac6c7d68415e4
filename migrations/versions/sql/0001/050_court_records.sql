-- Court files of the weekly and monthly feeds. What one file says of a case is a version of that case; the version of
-- the newest business date rules, whatever the order in which files arrive.

CREATE TABLE staging_evictions (
    ingestion_id bigint NOT NULL,
    line_number integer NOT NULL,
    case_number text NOT NULL,
    filing_date date,
    disposition text,
    judge_section text,
    tenant_name text,
    address text,
    city text,
    state text,
    zip text,
    property_owner text
) PARTITION BY LIST (ingestion_id);

CREATE TABLE staging_indebtedness (
    ingestion_id bigint NOT NULL,
    line_number integer NOT NULL,
    case_number text NOT NULL,
    case_type text,
    judge_section text,
    filing_date date,
    plaintiff_name text,
    defendant_name text,
    case_status text,
    disposition_date date,
    disposition_code text,
    disposition text,
    claim_amount numeric(16, 2),
    address text,
    city text,
    state text,
    zip text
) PARTITION BY LIST (ingestion_id);

CREATE TABLE staging_probate (
    ingestion_id bigint NOT NULL,
    line_number integer NOT NULL,
    case_number text NOT NULL,
    filing_date date,
    description text,
    party_type text,
    party_name text,
    date_of_death date,
    estate_value numeric(16, 2),
    address text,
    city text,
    state text,
    zip text
) PARTITION BY LIST (ingestion_id);

CREATE TABLE staging_verdicts (
    ingestion_id bigint NOT NULL,
    line_number integer NOT NULL,
    case_number text NOT NULL,
    verdict_date date,
    case_type text,
    plaintiff_name text,
    defendant_name text,
    verdict_amount numeric(16, 2),
    address text,
    city text,
    state text,
    zip text
) PARTITION BY LIST (ingestion_id);

CREATE TABLE court_files (
    file text PRIMARY KEY,
    record_type text NOT NULL UNIQUE
);
COMMENT ON TABLE court_files IS 'Which kind of record, and of lead, a file of a court feed gives.';
INSERT INTO court_files VALUES
    ('Evictions.exp', 'eviction'), ('Indebtedness.exp', 'indebtedness'),
    ('Probate.exp', 'probate'), ('Verdicts.exp', 'verdict');

CREATE TABLE court_records (
    record_type text NOT NULL,
    case_number text NOT NULL,
    business_date date NOT NULL,
    entry integer NOT NULL,
    filed_on date,
    case_type text,
    description text,
    judge_section text,
    party_name text,
    counterparty_name text,
    amount numeric(16, 2),
    date_of_death date,
    case_status text,
    disposition text,
    disposition_code text,
    disposition_date date,
    is_disposed boolean NOT NULL,
    address text,
    city text,
    state text,
    zip text,
    property_id bigint REFERENCES properties,
    is_live boolean NOT NULL,
    PRIMARY KEY (record_type, case_number, business_date, entry)
);
COMMENT ON TABLE court_records IS
    'Every version of every court case: what the file of one business date says of it, one row a party sued, evicted or deceased.';
COMMENT ON COLUMN court_records.party_name IS 'Tenant, defendant or decedent: whose address the record gives.';
COMMENT ON COLUMN court_records.counterparty_name IS 'Landlord, plaintiff or petitioner.';
COMMENT ON COLUMN court_records.is_live IS 'Of the newest version of the case.';
CREATE INDEX court_records_property ON court_records (property_id) WHERE property_id IS NOT NULL AND is_live;
CREATE INDEX court_records_day ON court_records (business_date, record_type);
CREATE INDEX leads_court_case ON leads (source_reference)
    WHERE lead_type IN ('eviction', 'indebtedness', 'probate', 'verdict');

CREATE TABLE pending_cases (
    business_date date NOT NULL,
    record_type text NOT NULL,
    case_number text NOT NULL,
    PRIMARY KEY (business_date, record_type, case_number)
);
COMMENT ON TABLE pending_cases IS
    'Cases that a merge changed and whose leads are not made yet; survives a run that dies in between.';

-- A party that a file names twice in one case counts once, with its last line. An estate is one record: its decedent's
-- line, which has the address, with the petitioner of the other line.
CREATE VIEW court_lines AS
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
COMMENT ON VIEW court_lines IS 'The staged lines of all court files, in the columns of court_records.';

-- The names that court data has in the county's own words.
CREATE VIEW eviction_records AS
SELECT case_number, filed_on AS filing_date, disposition, judge_section, party_name AS tenant_name,
       address, city, state, zip, counterparty_name AS property_owner, property_id, business_date
FROM court_records WHERE record_type = 'eviction' AND is_live;
COMMENT ON COLUMN eviction_records.tenant_name IS 'Sensitive: never a contact of a lead.';

CREATE VIEW indebtedness_cases AS
SELECT case_number, case_type, judge_section, filed_on AS filing_date, counterparty_name AS plaintiff_name,
       party_name AS defendant_name, case_status, disposition_date, disposition_code, disposition,
       amount AS claim_amount, address, city, state, zip, property_id, business_date
FROM court_records WHERE record_type = 'indebtedness' AND is_live;

CREATE VIEW probate_cases AS
SELECT case_number, filed_on AS filing_date, description, party_name AS decedent_name,
       counterparty_name AS petitioner_name, date_of_death, amount AS estate_value,
       address, city, state, zip, property_id, business_date
FROM court_records WHERE record_type = 'probate' AND is_live;

CREATE VIEW verdict_cases AS
SELECT case_number, filed_on AS verdict_date, case_type, counterparty_name AS plaintiff_name,
       party_name AS defendant_name, amount AS verdict_amount, address, city, state, zip, property_id, business_date
FROM court_records WHERE record_type = 'verdict' AND is_live;

CREATE VIEW distressed_properties AS
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
    'Why an investor may care about a property: one row a reason, of court files and of open foreclosures.';
