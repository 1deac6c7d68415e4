-- Take the property from records whose match an operator has undone. If this run has found a property for such a record
-- again, the record gets that property below.
CREATE TEMP TABLE released_cases ON COMMIT DROP AS
WITH released AS (
    UPDATE court_records v
    SET property_id = NULL
    FROM unmatched_records u
    WHERE u.feed = %(feed)s AND u.is_released AND v.property_id IS NOT NULL
      AND (v.record_type, v.case_number) = (u.record_type, u.source_reference)
      AND (v.address, v.zip) IS NOT DISTINCT FROM (u.address, u.zip)
    RETURNING v.record_type, v.case_number
)
SELECT DISTINCT record_type, case_number FROM released;

UPDATE unmatched_records SET is_released = false WHERE feed = %(feed)s AND is_released;

-- The table matched_records contains the matches from all runs. Copy this run's matches into a separate table, so that
-- the planner knows how many matches there are.
CREATE TEMP TABLE found_matches ON COMMIT DROP AS
SELECT source_reference, folio FROM matched_records WHERE ingestion_id = %(ingestion_id)s;
ANALYZE found_matches;

-- A day's files contain one version of each case. A corrected file replaces the day's earlier file, so records that
-- appear only in the earlier file are deleted.
CREATE TEMP TABLE incoming_records ON COMMIT DROP AS
SELECT l.record_type, l.case_number, l.entry, l.filed_on, l.case_type, l.description, l.judge_section, l.party_name,
       l.counterparty_name, l.amount, l.date_of_death, l.case_status, l.disposition, l.disposition_code,
       l.disposition_date, l.is_disposed, l.address, l.city, l.state, l.zip,
       coalesce(p.id, known.property_id) AS property_id
FROM court_lines l
LEFT JOIN found_matches m
       ON m.source_reference = l.record_type || ':' || l.case_number || ':' || l.entry
LEFT JOIN properties p ON p.folio_number = m.folio
LEFT JOIN LATERAL (
    SELECT v.property_id FROM court_records v
    WHERE (v.record_type, v.case_number) = (l.record_type, l.case_number) AND v.property_id IS NOT NULL
      AND (v.address, v.zip) IS NOT DISTINCT FROM (l.address, l.zip)
    ORDER BY v.business_date DESC, v.entry LIMIT 1) known ON true
WHERE l.ingestion_id = %(ingestion_id)s;
ANALYZE incoming_records;

-- The table day_records is empty, unless files of this day have been merged before.
CREATE TEMP TABLE day_records ON COMMIT DROP AS
SELECT v.*
FROM ingestion_files f
JOIN court_files c USING (file)
JOIN court_records v ON v.record_type = c.record_type AND v.business_date = %(day)s::date
WHERE f.ingestion_id = %(ingestion_id)s;
ANALYZE day_records;

CREATE TEMP TABLE changed_records ON COMMIT DROP AS
SELECT i.*
FROM incoming_records i
LEFT JOIN day_records v USING (record_type, case_number, entry)
WHERE v.record_type IS NULL
   OR (v.filed_on, v.case_type, v.description, v.judge_section, v.party_name, v.counterparty_name, v.amount,
       v.date_of_death, v.case_status, v.disposition, v.disposition_code, v.disposition_date, v.is_disposed,
       v.address, v.city, v.state, v.zip, v.property_id)
      IS DISTINCT FROM
      (i.filed_on, i.case_type, i.description, i.judge_section, i.party_name, i.counterparty_name, i.amount,
       i.date_of_death, i.case_status, i.disposition, i.disposition_code, i.disposition_date, i.is_disposed,
       i.address, i.city, i.state, i.zip, i.property_id);
ANALYZE changed_records;

CREATE TEMP TABLE touched_cases ON COMMIT DROP AS
SELECT record_type, case_number FROM changed_records
UNION ALL
SELECT record_type, case_number FROM released_cases;

WITH gone AS (
    DELETE FROM court_records v
    USING day_records d LEFT JOIN incoming_records i USING (record_type, case_number, entry)
    WHERE i.record_type IS NULL
      AND (v.record_type, v.case_number, v.business_date, v.entry)
          = (d.record_type, d.case_number, d.business_date, d.entry)
    RETURNING v.record_type, v.case_number
)
INSERT INTO touched_cases SELECT record_type, case_number FROM gone;

INSERT INTO court_records AS v (
    record_type, case_number, business_date, entry, filed_on, case_type, description, judge_section, party_name,
    counterparty_name, amount, date_of_death, case_status, disposition, disposition_code, disposition_date,
    is_disposed, address, city, state, zip, property_id, is_live)
SELECT record_type, case_number, %(day)s::date, entry, filed_on, case_type, description, judge_section, party_name,
       counterparty_name, amount, date_of_death, case_status, disposition, disposition_code, disposition_date,
       is_disposed, address, city, state, zip, property_id, true
FROM changed_records
ON CONFLICT (record_type, case_number, business_date, entry) DO UPDATE
SET filed_on = excluded.filed_on, case_type = excluded.case_type, description = excluded.description,
    judge_section = excluded.judge_section, party_name = excluded.party_name,
    counterparty_name = excluded.counterparty_name, amount = excluded.amount,
    date_of_death = excluded.date_of_death, case_status = excluded.case_status, disposition = excluded.disposition,
    disposition_code = excluded.disposition_code, disposition_date = excluded.disposition_date,
    is_disposed = excluded.is_disposed, address = excluded.address, city = excluded.city, state = excluded.state,
    zip = excluded.zip, property_id = excluded.property_id, is_live = excluded.is_live;

CREATE TEMP TABLE waiting_cases ON COMMIT DROP AS
SELECT id, record_type, source_reference, entry, address, zip FROM unmatched_records WHERE feed = %(feed)s;
ANALYZE waiting_cases;

-- Set the property in records from earlier files if their address now matches a property.
WITH matched AS (
    UPDATE court_records v
    SET property_id = p.id
    FROM waiting_cases w
    JOIN found_matches m
      ON m.source_reference = 'again:' || w.record_type || ':' || w.source_reference || ':' || w.entry
    JOIN properties p ON p.folio_number = m.folio
    WHERE (v.record_type, v.case_number) = (w.record_type, w.source_reference)
      AND (v.address, v.zip) IS NOT DISTINCT FROM (w.address, w.zip) AND v.property_id IS NULL
    RETURNING v.record_type, v.case_number
)
INSERT INTO touched_cases SELECT record_type, case_number FROM matched;

-- If several files have records for a case, only the records from the newest file are live.
ANALYZE touched_cases;
UPDATE court_records v
SET is_live = v.business_date = w.newest
FROM (
    SELECT v.record_type, v.case_number, max(v.business_date) AS newest
    FROM (SELECT DISTINCT record_type, case_number FROM touched_cases) t
    JOIN court_records v USING (record_type, case_number)
    GROUP BY v.record_type, v.case_number
) w
WHERE (v.record_type, v.case_number) = (w.record_type, w.case_number) AND v.is_live <> (v.business_date = w.newest);

INSERT INTO pending_cases (business_date, record_type, case_number)
SELECT DISTINCT %(day)s::date, record_type, case_number FROM touched_cases
ON CONFLICT DO NOTHING;

-- Delete unmatched records that are now matched, or that the newest file no longer contains.
DELETE FROM unmatched_records u
USING (SELECT DISTINCT record_type, case_number FROM touched_cases) t
JOIN waiting_cases w ON (w.record_type, w.source_reference) = (t.record_type, t.case_number)
LEFT JOIN LATERAL (
    SELECT true AS found FROM court_records v
    WHERE (v.record_type, v.case_number, v.entry) = (w.record_type, w.source_reference, w.entry)
      AND v.is_live AND v.property_id IS NULL AND (v.address, v.zip) IS NOT DISTINCT FROM (w.address, w.zip)
    LIMIT 1) still ON true
WHERE u.id = w.id AND still.found IS NULL;

-- A court file without records is unusual but not an error, so it causes a warning.
UPDATE data_ingestion_logs l
SET warnings = l.warnings || e.warning
FROM (
    SELECT array_agg(file || ' is empty' ORDER BY file) AS warning
    FROM ingestion_files WHERE ingestion_id = %(ingestion_id)s AND lines_read = 0
) e
WHERE l.id = %(ingestion_id)s AND e.warning IS NOT NULL AND NOT l.warnings @> e.warning;

SELECT count(*) AS records, count(property_id) AS matched,
       (SELECT count(DISTINCT (record_type, case_number)) FROM touched_cases) AS changed_cases
FROM incoming_records
