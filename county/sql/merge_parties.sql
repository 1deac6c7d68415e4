-- Merge the day's parties of one slice of the documents. The last line for a party in the day's file is the party's
-- version for that day. A corrected file replaces the day's earlier file, so parties that appear only in the earlier
-- file are deleted. Creates incoming_parties and gone_parties.
SET LOCAL default_statistics_target = 10;

-- The table day_parties is empty, unless the day has been merged before. A run without files, which only matches waiting
-- records again, leaves the day's parties alone.
CREATE TEMP TABLE day_parties ON COMMIT DROP AS
SELECT cfn_year, cfn_seq, group_id, party_key, business_date, line_number, party_sequence, party_code, party_name,
       transaction_type
FROM (
    -- OFFSET 0 makes the planner look up the day. The first slice also contains all documents from earlier days.
    SELECT * FROM party_versions
    WHERE business_date = %(day)s::date
      AND EXISTS (SELECT FROM ingestion_files WHERE ingestion_id = %(ingestion_id)s)
    OFFSET 0) d
WHERE (cfn_year, cfn_seq) >= (%(first_year)s, %(first_seq)s) AND (cfn_year, cfn_seq) < (%(end_year)s, %(end_seq)s);
ANALYZE day_parties;

-- The business date is a column, as it is in day_parties, so that later joins compare two columns. If a join compared
-- the column with a constant date that the statistics do not cover, the planner would expect one row and choose a plan
-- that compares every pair of rows.
CREATE TEMP TABLE incoming_parties ON COMMIT DROP AS
SELECT i.*, %(day)s::date AS business_date, d.cfn_year IS NULL AS is_new,
       (d.line_number, d.party_sequence, d.party_code, d.party_name, d.transaction_type)
       IS DISTINCT FROM (i.line_number, i.party_sequence, i.party_code, i.party_name, i.transaction_type) AS is_changed
FROM (
    SELECT DISTINCT ON (cfn_year, cfn_seq, group_id, coalesce(row_key, party_sequence))
           cfn_year, cfn_seq, group_id, coalesce(row_key, party_sequence) AS party_key,
           line_number, party_sequence, party_code, party_name, transaction_type
    FROM staging_parties
    WHERE ingestion_id = %(ingestion_id)s
      -- In this form, unlike in (cfn_year, cfn_seq) >= …, the planner knows how many lines the slice has.
      AND (cfn_year > %(first_year)s OR cfn_year = %(first_year)s AND cfn_seq >= %(first_seq)s)
      AND (cfn_year < %(end_year)s OR cfn_year = %(end_year)s AND cfn_seq < %(end_seq)s)
    ORDER BY cfn_year, cfn_seq, group_id, coalesce(row_key, party_sequence), line_number DESC
) i
LEFT JOIN day_parties d USING (cfn_year, cfn_seq, group_id, party_key);
ANALYZE incoming_parties;

CREATE TEMP TABLE gone_parties ON COMMIT DROP AS
SELECT d.cfn_year, d.cfn_seq, d.group_id, d.party_key, d.business_date
FROM day_parties d
LEFT JOIN incoming_parties i USING (cfn_year, cfn_seq, group_id, party_key)
WHERE i.cfn_year IS NULL;
ANALYZE gone_parties;

-- Find documents that also have parties from other days. Of these parties, only the versions from the latest day are
-- live. File numbers grow, so most of a day's documents have a higher number than any document from another day and
-- need no check. For each remaining document, LATERAL with LIMIT forces one index lookup, so that the cost does not
-- grow with the number of stored parties.
CREATE TEMP TABLE documents_of_changed_parties ON COMMIT DROP AS
SELECT t.cfn_year, t.cfn_seq, t.group_id
FROM (
    SELECT p.cfn_year, p.cfn_seq, p.group_id
    FROM (
        SELECT cfn_year, cfn_seq, group_id FROM party_versions
        WHERE business_date <> %(day)s::date AND (cfn_year, cfn_seq) < (%(end_year)s, %(end_seq)s)
        ORDER BY cfn_year DESC, cfn_seq DESC, group_id DESC LIMIT 1
    ) newest
    JOIN (
        SELECT cfn_year, cfn_seq, group_id FROM incoming_parties WHERE is_changed
        UNION ALL
        SELECT cfn_year, cfn_seq, group_id FROM gone_parties
    ) p ON (p.cfn_year, p.cfn_seq, p.group_id) <= (newest.cfn_year, newest.cfn_seq, newest.group_id)
    GROUP BY p.cfn_year, p.cfn_seq, p.group_id
) t
CROSS JOIN LATERAL (
    SELECT FROM party_versions v
    WHERE (v.cfn_year, v.cfn_seq, v.group_id) = (t.cfn_year, t.cfn_seq, t.group_id) AND v.business_date <> %(day)s::date
    LIMIT 1
) other;
ANALYZE documents_of_changed_parties;

DELETE FROM party_versions v
USING gone_parties g
WHERE (v.cfn_year, v.cfn_seq, v.group_id, v.party_key, v.business_date)
      = (g.cfn_year, g.cfn_seq, g.group_id, g.party_key, g.business_date);

UPDATE party_versions v
SET line_number = i.line_number, party_sequence = i.party_sequence, party_code = i.party_code,
    party_name = i.party_name, transaction_type = i.transaction_type, is_live = i.transaction_type <> 'D'
FROM incoming_parties i
WHERE i.is_changed AND NOT i.is_new
  AND (v.cfn_year, v.cfn_seq, v.group_id, v.party_key, v.business_date)
      = (i.cfn_year, i.cfn_seq, i.group_id, i.party_key, i.business_date);

INSERT INTO party_versions (cfn_year, cfn_seq, group_id, party_key, business_date, line_number, party_sequence,
                            party_code, party_name, transaction_type, is_live)
SELECT cfn_year, cfn_seq, group_id, party_key, business_date, line_number, party_sequence,
       party_code, party_name, transaction_type, transaction_type <> 'D'
FROM incoming_parties
WHERE is_new;

UPDATE party_versions v
SET is_live = w.is_live
FROM (
    SELECT o.cfn_year, o.cfn_seq, o.group_id, o.party_key, o.business_date, o.is_live AS was_live,
           o.transaction_type <> 'D'
           AND o.business_date = max(o.business_date) OVER (
               PARTITION BY o.cfn_year, o.cfn_seq, o.group_id, o.party_key) AS is_live
    FROM documents_of_changed_parties m
    CROSS JOIN LATERAL (
        SELECT * FROM party_versions p
        WHERE (p.cfn_year, p.cfn_seq, p.group_id) = (m.cfn_year, m.cfn_seq, m.group_id)
        OFFSET 0
    ) o
) w
WHERE w.is_live <> w.was_live
  AND (v.cfn_year, v.cfn_seq, v.group_id, v.party_key, v.business_date)
      = (w.cfn_year, w.cfn_seq, w.group_id, w.party_key, w.business_date)
