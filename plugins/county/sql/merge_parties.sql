-- The day's file gives each party one version: its last line. What the day's earlier file gave and this one does
-- not (a correction) goes away.
CREATE TEMP TABLE incoming_parties ON COMMIT DROP AS
SELECT DISTINCT ON (cfn_year, cfn_seq, group_id, coalesce(row_key, party_sequence))
       cfn_year, cfn_seq, group_id, coalesce(row_key, party_sequence) AS party_key,
       line_number, party_sequence, party_code, party_name, transaction_type
FROM staging_parties
WHERE ingestion_id = %(ingestion_id)s
ORDER BY cfn_year, cfn_seq, group_id, coalesce(row_key, party_sequence), line_number DESC;
ANALYZE incoming_parties;

CREATE TEMP TABLE touched_parties ON COMMIT DROP AS
SELECT i.*
FROM incoming_parties i
LEFT JOIN party_versions v
       ON (v.cfn_year, v.cfn_seq, v.group_id, v.party_key) = (i.cfn_year, i.cfn_seq, i.group_id, i.party_key)
      AND v.business_date = %(day)s::date
WHERE v.cfn_year IS NULL
   OR (v.line_number, v.party_sequence, v.party_code, v.party_name, v.transaction_type)
      IS DISTINCT FROM (i.line_number, i.party_sequence, i.party_code, i.party_name, i.transaction_type);

WITH gone AS (
    DELETE FROM party_versions v
    WHERE v.business_date = %(day)s::date
      AND NOT EXISTS (
          SELECT FROM incoming_parties i
          WHERE (i.cfn_year, i.cfn_seq, i.group_id, i.party_key)
                = (v.cfn_year, v.cfn_seq, v.group_id, v.party_key))
    RETURNING v.cfn_year, v.cfn_seq, v.group_id, v.party_key, v.line_number, v.party_sequence, v.party_code,
              v.party_name, v.transaction_type
)
INSERT INTO touched_parties SELECT * FROM gone;
ANALYZE touched_parties;

INSERT INTO party_versions (cfn_year, cfn_seq, group_id, party_key, business_date, line_number, party_sequence,
                            party_code, party_name, transaction_type, is_live)
SELECT t.cfn_year, t.cfn_seq, t.group_id, t.party_key, %(day)s::date, t.line_number, t.party_sequence,
       t.party_code, t.party_name, t.transaction_type, t.transaction_type <> 'D'
FROM touched_parties t
WHERE EXISTS (SELECT FROM incoming_parties i
              WHERE (i.cfn_year, i.cfn_seq, i.group_id, i.party_key)
                    = (t.cfn_year, t.cfn_seq, t.group_id, t.party_key))
ON CONFLICT (cfn_year, cfn_seq, group_id, party_key, business_date) DO UPDATE
SET line_number = excluded.line_number, party_sequence = excluded.party_sequence,
    party_code = excluded.party_code, party_name = excluded.party_name,
    transaction_type = excluded.transaction_type, is_live = excluded.is_live;

-- Where days meet, the newest decides.
UPDATE party_versions v
SET is_live = w.is_live
FROM (
    SELECT v.cfn_year, v.cfn_seq, v.group_id, v.party_key, v.business_date,
           v.transaction_type <> 'D'
           AND v.business_date = max(v.business_date) OVER (
               PARTITION BY v.cfn_year, v.cfn_seq, v.group_id, v.party_key) AS is_live
    FROM touched_parties t
    JOIN party_versions v USING (cfn_year, cfn_seq, group_id, party_key)
    WHERE EXISTS (
        SELECT FROM party_versions o
        WHERE (o.cfn_year, o.cfn_seq, o.group_id, o.party_key) = (t.cfn_year, t.cfn_seq, t.group_id, t.party_key)
          AND o.business_date <> %(day)s::date)
) w
WHERE (v.cfn_year, v.cfn_seq, v.group_id, v.party_key, v.business_date)
      = (w.cfn_year, w.cfn_seq, w.group_id, w.party_key, w.business_date)
  AND v.is_live <> w.is_live
