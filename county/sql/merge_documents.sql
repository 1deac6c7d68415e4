-- Merge the day's documents of one slice, the way merge_parties.sql merges the parties. In the Clerk's own file, a row
-- marked as deleted removes one party. The document is removed only when its last party is removed, so rows marked as
-- deleted are not versions of the document. Reads matched_records, incoming_parties and gone_parties; writes
-- merged_folios and pending_folios.

-- Find the highest file number from other days before this file's documents are among the documents.
CREATE TEMP TABLE newest_document ON COMMIT DROP AS
SELECT cfn_year, cfn_seq, group_id FROM document_versions
WHERE business_date <> %(day)s::date AND (cfn_year, cfn_seq) < (%(end_year)s, %(end_seq)s)
ORDER BY cfn_year DESC, cfn_seq DESC, group_id DESC LIMIT 1;

-- Take the folio from documents whose match an operator has undone. If this run has found a folio for such a document
-- again, the document gets that folio below.
CREATE TEMP TABLE released_documents ON COMMIT DROP AS
SELECT v.cfn_year, v.cfn_seq, v.group_id, v.business_date, v.matched_folio AS former_folio
FROM unmatched_records u
CROSS JOIN LATERAL (
    SELECT * FROM document_versions o
    WHERE o.cfn_year = split_part(u.source_reference, '-', 1)::bigint
      AND o.cfn_seq = split_part(u.source_reference, '-', 2)::bigint
      AND o.group_id = split_part(u.source_reference, '-', 3)::bigint
    OFFSET 0) v
WHERE u.feed = %(feed)s AND u.is_released
  AND (v.cfn_year, v.cfn_seq) >= (%(first_year)s, %(first_seq)s) AND (v.cfn_year, v.cfn_seq) < (%(end_year)s, %(end_seq)s)
  AND v.folio_number IS NULL AND v.matched_folio IS NOT NULL AND v.property_address = u.address;

UPDATE document_versions v
SET matched_folio = NULL
FROM released_documents r
WHERE (v.cfn_year, v.cfn_seq, v.group_id, v.business_date) = (r.cfn_year, r.cfn_seq, r.group_id, r.business_date);

UPDATE unmatched_records SET is_released = false
WHERE feed = %(feed)s AND is_released
  AND (split_part(source_reference, '-', 1)::bigint, split_part(source_reference, '-', 2)::bigint)
      >= (%(first_year)s, %(first_seq)s)
  AND (split_part(source_reference, '-', 1)::bigint, split_part(source_reference, '-', 2)::bigint)
      < (%(end_year)s, %(end_seq)s);

-- A run without files, which only matches waiting records again, leaves the day's documents alone.
CREATE TEMP TABLE day_documents ON COMMIT DROP AS
SELECT *
FROM (
    SELECT * FROM document_versions
    WHERE business_date = %(day)s::date
      AND EXISTS (SELECT FROM ingestion_files WHERE ingestion_id = %(ingestion_id)s)
    OFFSET 0) d
WHERE (cfn_year, cfn_seq) >= (%(first_year)s, %(first_seq)s) AND (cfn_year, cfn_seq) < (%(end_year)s, %(end_seq)s);
ANALYZE day_documents;

-- The table matched_records contains the matches from all runs. Copy this run's matches into a separate table, so that
-- the planner knows how many matches there are.
CREATE TEMP TABLE matched_documents ON COMMIT DROP AS
SELECT *
FROM (
    SELECT folio, address, split_part(source_reference, '-', 1)::bigint AS cfn_year,
           split_part(source_reference, '-', 2)::bigint AS cfn_seq,
           split_part(source_reference, '-', 3)::bigint AS group_id
    FROM matched_records
    WHERE ingestion_id = %(ingestion_id)s) m
WHERE (cfn_year, cfn_seq) >= (%(first_year)s, %(first_seq)s) AND (cfn_year, cfn_seq) < (%(end_year)s, %(end_seq)s);
ANALYZE matched_documents;

-- Find the folios that earlier days have found for these documents. Without sequential scans, the planner looks up each
-- document. Statistics from a day with one document would make it scan all documents for each.
SET LOCAL enable_seqscan = off;
CREATE TEMP TABLE known_matches ON COMMIT DROP AS
SELECT n.cfn_year, n.cfn_seq, n.group_id, n.property_address, v.matched_folio
FROM (
    SELECT DISTINCT cfn_year, cfn_seq, group_id, property_address
    FROM staging_official_records
    WHERE ingestion_id = %(ingestion_id)s AND folio_number IS NULL
      AND (cfn_year > %(first_year)s OR cfn_year = %(first_year)s AND cfn_seq >= %(first_seq)s)
      AND (cfn_year < %(end_year)s OR cfn_year = %(end_year)s AND cfn_seq < %(end_seq)s)) n
CROSS JOIN LATERAL (
    SELECT o.matched_folio FROM document_versions o
    WHERE (o.cfn_year, o.cfn_seq, o.group_id) = (n.cfn_year, n.cfn_seq, n.group_id)
      AND o.matched_folio IS NOT NULL AND o.property_address IS NOT DISTINCT FROM n.property_address
    ORDER BY o.business_date DESC LIMIT 1) v;
SET LOCAL enable_seqscan = on;
ANALYZE known_matches;

CREATE TEMP TABLE incoming_documents ON COMMIT DROP AS
SELECT i.*, %(day)s::date AS business_date, coalesce(i.folio_number, i.matched_folio) AS folio, d.folio AS former_folio,
       d.cfn_year IS NULL AS is_new,
       (d.line_number, d.document_code, d.case_number, d.recorded_on, d.folio_number, d.matched_folio,
        d.property_address, d.property_city, d.property_zip, d.consideration_1, d.deed_doc_tax,
        d.original_cfn_year, d.original_cfn_seq, d.has_row_keys, d.transaction_type)
       IS DISTINCT FROM
       (i.line_number, i.document_code, i.case_number, i.recorded_on, i.folio_number, i.matched_folio,
        i.property_address, i.property_city, i.property_zip, i.consideration_1, i.deed_doc_tax,
        i.original_cfn_year, i.original_cfn_seq, i.has_row_keys, i.transaction_type) AS is_changed
FROM (
    SELECT DISTINCT ON (s.cfn_year, s.cfn_seq, s.group_id)
           s.cfn_year, s.cfn_seq, s.group_id, s.line_number, s.document_code, s.case_number, s.recorded_on,
           s.folio_number, coalesce(m.folio, known.matched_folio) AS matched_folio,
           s.property_address, s.property_city, s.property_zip, s.consideration_1, s.deed_doc_tax,
           s.original_cfn_year, s.original_cfn_seq, s.row_key IS NOT NULL AS has_row_keys, s.transaction_type
    FROM staging_official_records s
    LEFT JOIN matched_documents m
           ON (m.cfn_year, m.cfn_seq, m.group_id) = (s.cfn_year, s.cfn_seq, s.group_id)
          AND s.folio_number IS NULL AND m.address = s.property_address
    LEFT JOIN known_matches known
           ON (known.cfn_year, known.cfn_seq, known.group_id) = (s.cfn_year, s.cfn_seq, s.group_id)
          AND s.folio_number IS NULL AND known.property_address IS NOT DISTINCT FROM s.property_address
    WHERE s.ingestion_id = %(ingestion_id)s
      AND (s.cfn_year > %(first_year)s OR s.cfn_year = %(first_year)s AND s.cfn_seq >= %(first_seq)s)
      AND (s.cfn_year < %(end_year)s OR s.cfn_year = %(end_year)s AND s.cfn_seq < %(end_seq)s)
      AND (s.row_key IS NULL OR s.transaction_type <> 'D')
    ORDER BY s.cfn_year, s.cfn_seq, s.group_id, s.line_number DESC
) i
LEFT JOIN day_documents d USING (cfn_year, cfn_seq, group_id);
ANALYZE incoming_documents;

CREATE TEMP TABLE gone_documents ON COMMIT DROP AS
SELECT d.*
FROM day_documents d
LEFT JOIN incoming_documents i USING (cfn_year, cfn_seq, group_id)
WHERE i.cfn_year IS NULL;
ANALYZE gone_documents;

DELETE FROM document_versions v
USING gone_documents g
WHERE (v.cfn_year, v.cfn_seq, v.group_id, v.business_date) = (g.cfn_year, g.cfn_seq, g.group_id, g.business_date);

UPDATE document_versions v
SET line_number = i.line_number, document_code = i.document_code, case_number = i.case_number,
    recorded_on = i.recorded_on, folio_number = i.folio_number, matched_folio = i.matched_folio,
    property_address = i.property_address, property_city = i.property_city, property_zip = i.property_zip,
    consideration_1 = i.consideration_1, deed_doc_tax = i.deed_doc_tax,
    original_cfn_year = i.original_cfn_year, original_cfn_seq = i.original_cfn_seq,
    has_row_keys = i.has_row_keys, transaction_type = i.transaction_type, is_live = i.transaction_type <> 'D'
FROM incoming_documents i
WHERE i.is_changed AND NOT i.is_new
  AND (v.cfn_year, v.cfn_seq, v.group_id, v.business_date) = (i.cfn_year, i.cfn_seq, i.group_id, i.business_date);

INSERT INTO document_versions (
    cfn_year, cfn_seq, group_id, business_date, line_number, document_code, case_number, recorded_on, folio_number,
    matched_folio, property_address, property_city, property_zip, consideration_1, deed_doc_tax,
    original_cfn_year, original_cfn_seq, has_row_keys, transaction_type, is_live)
SELECT cfn_year, cfn_seq, group_id, business_date, line_number, document_code, case_number, recorded_on, folio_number,
       matched_folio, property_address, property_city, property_zip, consideration_1, deed_doc_tax,
       original_cfn_year, original_cfn_seq, has_row_keys, transaction_type, transaction_type <> 'D'
FROM incoming_documents
WHERE is_new;

-- Find documents from earlier days whose address now matches a property. Only versions with the matched address get the
-- folio; versions with another address keep their folio.
CREATE TEMP TABLE found_documents ON COMMIT DROP AS
SELECT m.cfn_year, m.cfn_seq, m.group_id, v.business_date, m.folio, v.matched_folio AS former_folio
FROM matched_documents m
CROSS JOIN LATERAL (
    SELECT * FROM document_versions o
    WHERE (o.cfn_year, o.cfn_seq, o.group_id) = (m.cfn_year, m.cfn_seq, m.group_id)
    OFFSET 0
) v
WHERE v.folio_number IS NULL AND v.property_address = m.address AND v.matched_folio IS DISTINCT FROM m.folio;
ANALYZE found_documents;

UPDATE document_versions v
SET matched_folio = f.folio
FROM found_documents f
WHERE (v.cfn_year, v.cfn_seq, v.group_id, v.business_date) = (f.cfn_year, f.cfn_seq, f.group_id, f.business_date);

INSERT INTO found_documents (cfn_year, cfn_seq, group_id, business_date, former_folio)
SELECT cfn_year, cfn_seq, group_id, business_date, former_folio FROM released_documents;

-- Find the documents to reclassify. Most of a day's documents need no reclassification. If a document's file number is
-- higher than all file numbers from other days, the document's only version is from this file, and the document has no
-- older parties.
CREATE TEMP TABLE documents_to_reclassify ON COMMIT DROP AS
WITH changed_references AS NOT MATERIALIZED (
    SELECT cfn_year, cfn_seq, group_id FROM incoming_parties WHERE is_changed
    UNION ALL
    SELECT cfn_year, cfn_seq, group_id FROM gone_parties
    UNION ALL
    SELECT cfn_year, cfn_seq, group_id FROM incoming_documents WHERE is_changed
)
-- Use three separate joins. Each of them can use a table that is usually almost empty, while a combined join would read
-- all rows.
SELECT s.cfn_year, s.cfn_seq, s.group_id
FROM changed_references s JOIN newest_document n ON (s.cfn_year, s.cfn_seq, s.group_id) <= (n.cfn_year, n.cfn_seq, n.group_id)
UNION
SELECT cfn_year, cfn_seq, group_id FROM changed_references JOIN day_documents d USING (cfn_year, cfn_seq, group_id)
UNION
SELECT cfn_year, cfn_seq, group_id FROM changed_references JOIN api_documents a USING (cfn_year, cfn_seq, group_id)
UNION
SELECT cfn_year, cfn_seq, group_id FROM incoming_documents WHERE is_changed AND has_row_keys
UNION
SELECT cfn_year, cfn_seq, group_id FROM gone_documents
UNION
SELECT cfn_year, cfn_seq, group_id FROM found_documents;
ANALYZE documents_to_reclassify;

-- Collect all versions of the documents to reclassify.
CREATE TEMP TABLE reclassified_versions ON COMMIT DROP AS
SELECT v.*
FROM documents_to_reclassify t
CROSS JOIN LATERAL (
    SELECT * FROM document_versions o
    WHERE (o.cfn_year, o.cfn_seq, o.group_id) = (t.cfn_year, t.cfn_seq, t.group_id)
    OFFSET 0) v;
ANALYZE reclassified_versions;

UPDATE document_versions v
SET is_live = w.is_live
FROM (
    SELECT m.cfn_year, m.cfn_seq, m.group_id, m.business_date, m.is_live AS was_live,
           m.transaction_type <> 'D'
           AND m.business_date = max(m.business_date) OVER (PARTITION BY m.cfn_year, m.cfn_seq, m.group_id)
           AND (NOT m.has_row_keys OR party.lives IS NOT NULL) AS is_live
    FROM reclassified_versions m
    LEFT JOIN LATERAL (
        SELECT true AS lives FROM party_versions p
        WHERE m.has_row_keys AND p.is_live
          AND (p.cfn_year, p.cfn_seq, p.group_id) = (m.cfn_year, m.cfn_seq, m.group_id)
        LIMIT 1) party ON true
) w
WHERE w.is_live <> w.was_live
  AND (v.cfn_year, v.cfn_seq, v.group_id, v.business_date)
      = (w.cfn_year, w.cfn_seq, w.group_id, w.business_date);

-- The table touched_folios contains every folio that a changed document names or named before the change. It also
-- contains the folio of every lis pendens that a changed document releases. If that lis pendens is in another slice and
-- is not visible here, it has changed too, and its own slice adds the folio. The column makes_leads says whether the
-- folio's leads must be checked.
CREATE TEMP TABLE touched_folios ON COMMIT DROP AS
WITH said AS (
    SELECT folio, document_code, case_number, original_cfn_year, original_cfn_seq
    FROM incoming_documents WHERE is_changed
    UNION ALL
    SELECT folio, document_code, case_number, original_cfn_year, original_cfn_seq FROM reclassified_versions
    UNION ALL
    SELECT folio, document_code, case_number, original_cfn_year, original_cfn_seq FROM gone_documents
)
SELECT folio, bool_or(makes_leads) AS makes_leads
FROM (
    -- A release affects the leads on the released document's folio, not the leads on the release's own folio.
    SELECT s.folio, coalesce(t.is_conveyance OR t.transaction = 'lis_pendens', false) AS makes_leads
    FROM said s LEFT JOIN document_types t ON t.code = s.document_code
    UNION ALL
    SELECT former_folio, true FROM incoming_documents WHERE is_changed
    UNION ALL
    SELECT former_folio, true FROM found_documents
    UNION ALL
    SELECT a.folio, true
    FROM incoming_documents i JOIN api_documents a USING (cfn_year, cfn_seq, group_id)
    WHERE i.is_changed
    UNION ALL
    SELECT a.folio, true FROM documents_to_reclassify m JOIN api_documents a USING (cfn_year, cfn_seq, group_id)
    UNION ALL
    SELECT o.folio, true
    FROM said s
    JOIN document_types r ON r.code = s.document_code AND r.transaction IN ('lis_pendens_release', 'release')
    CROSS JOIN LATERAL (
        SELECT v.folio FROM document_versions v
        WHERE v.case_number = s.case_number AND v.case_number IS NOT NULL AND v.is_live
        OFFSET 0) o
    WHERE s.case_number IS NOT NULL
    UNION ALL
    SELECT o.folio, true
    FROM said s
    CROSS JOIN LATERAL (
        SELECT v.folio FROM document_versions v
        WHERE v.cfn_year = s.original_cfn_year AND v.cfn_seq = s.original_cfn_seq
        OFFSET 0) o
    WHERE s.original_cfn_seq IS NOT NULL
) f
WHERE folio IS NOT NULL
GROUP BY folio;
ANALYZE touched_folios;

INSERT INTO merged_folios (ingestion_id, folio) SELECT %(ingestion_id)s, folio FROM touched_folios;

INSERT INTO pending_folios (business_date, folio)
SELECT %(day)s::date, folio FROM touched_folios WHERE makes_leads;

CREATE TEMP TABLE waiting_documents ON COMMIT DROP AS
SELECT *
FROM (
    SELECT id, split_part(source_reference, '-', 1)::bigint AS cfn_year,
           split_part(source_reference, '-', 2)::bigint AS cfn_seq,
           split_part(source_reference, '-', 3)::bigint AS group_id
    FROM unmatched_records WHERE feed = %(feed)s) w
WHERE (cfn_year, cfn_seq) >= (%(first_year)s, %(first_seq)s) AND (cfn_year, cfn_seq) < (%(end_year)s, %(end_seq)s);
ANALYZE waiting_documents;

CREATE TEMP TABLE changed_waiting ON COMMIT DROP AS
SELECT DISTINCT w.*
FROM waiting_documents w
JOIN (
    SELECT cfn_year, cfn_seq, group_id FROM incoming_documents WHERE is_changed
    UNION ALL
    SELECT cfn_year, cfn_seq, group_id FROM documents_to_reclassify
) t USING (cfn_year, cfn_seq, group_id);

SET LOCAL enable_seqscan = off;
CREATE TEMP TABLE no_longer_waiting ON COMMIT DROP AS
-- A record no longer counts as unmatched if its document was deleted or a later file gave the document a folio.
SELECT w.id
FROM changed_waiting w
LEFT JOIN LATERAL (
    SELECT true AS found FROM document_versions v
    WHERE (v.cfn_year, v.cfn_seq, v.group_id) = (w.cfn_year, w.cfn_seq, w.group_id)
      AND v.is_live AND v.folio IS NULL
    LIMIT 1) still ON true
WHERE still.found IS NULL;
SET LOCAL enable_seqscan = on;

INSERT INTO no_longer_waiting
SELECT w.id FROM waiting_documents w JOIN matched_documents USING (cfn_year, cfn_seq, group_id);
ANALYZE no_longer_waiting;

DELETE FROM unmatched_records WHERE id IN (SELECT id FROM no_longer_waiting);

SELECT (SELECT count(*) FROM incoming_documents WHERE is_changed) AS documents,
       (SELECT count(*) FROM incoming_parties WHERE is_changed) + (SELECT count(*) FROM gone_parties) AS parties
