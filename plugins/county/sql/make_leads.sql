-- One lead a property, lead type and source document; a lead that is there already stays as it is.
WITH new_homeowners AS (
    SELECT j.folio, 'new_homeowner' AS lead_type, j.cfn_year, j.cfn_seq, j.group_id, j.recorded_on,
           buyer.party_name AS contact_name
    FROM judged j
    CROSS JOIN LATERAL (
        SELECT p.party_name
        FROM party_versions p
        WHERE (p.cfn_year, p.cfn_seq, p.group_id) = (j.cfn_year, j.cfn_seq, j.group_id)
          AND p.party_code = 'R' AND p.transaction_type <> 'D' AND p.business_date <= %(day)s::date
          AND NOT EXISTS (
              SELECT FROM party_versions q
              WHERE (q.cfn_year, q.cfn_seq, q.group_id, q.party_key)
                    = (p.cfn_year, p.cfn_seq, p.group_id, p.party_key)
                AND q.business_date > p.business_date AND q.business_date <= %(day)s::date)
          AND is_person(p.party_name)
        ORDER BY p.party_sequence, p.party_key LIMIT 1
    ) buyer
    WHERE j.transaction = 'deed' AND j.price IS NOT NULL
      AND j.recorded_on BETWEEN %(day)s::date - 30 AND %(day)s::date
      AND NOT EXISTS (
          SELECT FROM judged n
          WHERE n.folio = j.folio AND n.is_conveyance
            AND (n.recorded_on, n.cfn_year, n.cfn_seq, n.group_id)
                > (j.recorded_on, j.cfn_year, j.cfn_seq, j.group_id))
), foreclosures AS (
    SELECT j.folio, 'foreclosure' AS lead_type, j.cfn_year, j.cfn_seq, j.group_id, j.recorded_on,
           (SELECT p.party_name FROM party_versions p
            WHERE (p.cfn_year, p.cfn_seq, p.group_id) = (j.cfn_year, j.cfn_seq, j.group_id)
              AND p.is_live AND is_person(p.party_name)
            ORDER BY p.party_sequence, p.party_key LIMIT 1) AS contact_name
    FROM judged j
    WHERE j.transaction = 'lis_pendens' AND j.recorded_on <= %(day)s::date
      AND NOT EXISTS (
          SELECT FROM judged n
          WHERE n.folio = j.folio AND (n.price IS NOT NULL AND n.is_conveyance OR n.transaction = 'certificate_of_title')
            AND (n.recorded_on, n.cfn_year, n.cfn_seq, n.group_id)
                > (j.recorded_on, j.cfn_year, j.cfn_seq, j.group_id))
      AND NOT lis_pendens_is_released(j.cfn_year, j.cfn_seq, j.case_number, %(day)s::date)
), found AS (
    SELECT * FROM new_homeowners UNION ALL SELECT * FROM foreclosures
), made AS (
    INSERT INTO leads (property_id, lead_type, lead_source, source_reference, lead_date, business_date,
                       contact_name, contact_address, estimated_equity, lead_score)
    SELECT p.id, f.lead_type, %(ingestion_type)s, f.cfn_year || '-' || f.cfn_seq || '-' || f.group_id, f.recorded_on,
           %(day)s::date,
           CASE f.lead_type WHEN 'foreclosure' THEN coalesce(p.owner_name, f.contact_name) ELSE f.contact_name END,
           concat_ws(' ', p.address, p.unit),
           p.assessed_value - coalesce(p.mortgage_balance, 0), lead_base_score(f.lead_type)
    FROM found f JOIN properties p ON p.folio_number = f.folio
    ON CONFLICT (property_id, lead_type, source_reference) DO NOTHING
    RETURNING lead_type
)
UPDATE data_ingestion_logs
SET new_leads_generated = new_leads_generated + (SELECT count(*) FROM made)
WHERE id = %(ingestion_id)s
RETURNING (SELECT count(*) FROM made) AS leads,
          (SELECT count(*) FROM made WHERE lead_type = 'new_homeowner') AS new_homeowner,
          (SELECT count(*) FROM made WHERE lead_type = 'foreclosure') AS foreclosure
