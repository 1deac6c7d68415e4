-- Create at most one lead for each property, lead type and source document; an existing lead stays unchanged. Reads
-- classified_documents.
WITH new_homeowners AS (
    SELECT j.folio, 'new_homeowner' AS lead_type, j.cfn_year, j.cfn_seq, j.group_id, j.recorded_on,
           false AS conveyed_since, buyer.party_name AS contact_name
    FROM classified_documents j
    CROSS JOIN LATERAL (
        SELECT p.party_name
        FROM parties_on(j.cfn_year, j.cfn_seq, j.group_id, %(day)s::date) p
        WHERE p.party_code = 'R' AND is_person(p.party_name)
        ORDER BY p.party_sequence, p.party_key LIMIT 1
    ) buyer
    WHERE j.transaction = 'deed' AND j.price IS NOT NULL
      AND j.recorded_on BETWEEN %(day)s::date - 30 AND %(day)s::date
      AND NOT EXISTS (
          SELECT FROM classified_documents n
          WHERE n.folio = j.folio AND n.is_conveyance
            AND (n.recorded_on, n.cfn_year, n.cfn_seq, n.group_id)
                > (j.recorded_on, j.cfn_year, j.cfn_seq, j.group_id))
), lis_pendens AS (
    SELECT j.*
    FROM classified_documents j
    WHERE j.transaction = 'lis_pendens' AND j.recorded_on <= %(day)s::date
      AND NOT EXISTS (
          SELECT FROM classified_documents n
          WHERE n.folio = j.folio AND (n.price IS NOT NULL AND n.is_conveyance OR n.transaction = 'certificate_of_title')
            AND (n.recorded_on, n.cfn_year, n.cfn_seq, n.group_id)
                > (j.recorded_on, j.cfn_year, j.cfn_seq, j.group_id))
), conveyed_since AS (
    SELECT l.folio
    FROM (SELECT DISTINCT folio FROM lis_pendens) l
    CROSS JOIN LATERAL (
        SELECT FROM document_versions v JOIN document_types t ON t.code = v.document_code AND t.is_conveyance
        WHERE v.folio = l.folio AND v.is_live AND v.business_date > %(day)s::date
        LIMIT 1) later
), former_owners AS (
    -- In a backfill, the property may have a newer owner; only the owner known on the business date counts.
    SELECT DISTINCT ON (j.folio) j.folio, g.names
    FROM classified_documents j
    CROSS JOIN LATERAL (
        SELECT string_agg(p.party_name, '; ' ORDER BY p.party_sequence, p.party_key) AS names
        FROM parties_on(j.cfn_year, j.cfn_seq, j.group_id, %(day)s::date) p
        WHERE p.party_code = 'R' AND p.party_name IS NOT NULL
    ) g
    WHERE j.is_conveyance AND g.names IS NOT NULL AND j.folio IN (SELECT folio FROM conveyed_since)
    ORDER BY j.folio, j.recorded_on DESC, j.cfn_year DESC, j.cfn_seq DESC, j.group_id DESC
), foreclosures AS (
    SELECT j.folio, 'foreclosure' AS lead_type, j.cfn_year, j.cfn_seq, j.group_id, j.recorded_on,
           s.folio IS NOT NULL AS conveyed_since, coalesce(o.names, party.party_name) AS contact_name
    FROM lis_pendens j
    LEFT JOIN conveyed_since s USING (folio)
    LEFT JOIN former_owners o USING (folio)
    LEFT JOIN properties p ON p.folio_number = j.folio
    LEFT JOIN LATERAL (
        SELECT true AS found FROM releases_of(j.cfn_year, j.cfn_seq, j.case_number, %(day)s::date) LIMIT 1
    ) released ON true
    LEFT JOIN LATERAL (
        SELECT d.party_name
        FROM parties_on(j.cfn_year, j.cfn_seq, j.group_id, %(day)s::date) d
        WHERE (p.owner_name IS NULL OR s.folio IS NOT NULL) AND is_person(d.party_name)
        ORDER BY d.party_sequence, d.party_key LIMIT 1
    ) party ON true
    WHERE released.found IS NULL
), found AS (
    SELECT * FROM new_homeowners UNION ALL SELECT * FROM foreclosures
), made AS (
    INSERT INTO leads (property_id, lead_type, lead_source, source_reference, lead_date, business_date,
                       contact_name, contact_address, estimated_equity, lead_score)
    SELECT p.id, f.lead_type, %(ingestion_type)s, f.cfn_year || '-' || f.cfn_seq || '-' || f.group_id, f.recorded_on,
           %(day)s::date,
           coalesce(CASE WHEN f.lead_type = 'foreclosure' AND NOT f.conveyed_since THEN p.owner_name END, f.contact_name),
           nullif(concat_ws(' ', p.address, p.unit), ''),
           p.assessed_value - coalesce(p.mortgage_balance, 0), lead_base_score(f.lead_type)
    FROM found f JOIN properties p ON p.folio_number = f.folio
    ORDER BY p.id  -- in the order of the largest index
    ON CONFLICT (property_id, lead_type, source_reference) DO NOTHING
    RETURNING lead_type
)
UPDATE data_ingestion_logs
SET new_leads_generated = new_leads_generated + (SELECT count(*) FROM made)
WHERE id = %(ingestion_id)s
RETURNING (SELECT count(*) FROM made) AS leads,
          (SELECT count(*) FROM made WHERE lead_type = 'new_homeowner') AS new_homeowner,
          (SELECT count(*) FROM made WHERE lead_type = 'foreclosure') AS foreclosure
