-- Choose the file numbers at which the second slice and the next slices begin, from a sample of the staged documents.
WITH staged AS (
    SELECT count(*) AS rows,
           greatest(least(%(slices)s, count(*) / %(smallest)s), ceil(1.0 * count(*) / %(largest)s))::integer AS slices
    FROM staging_official_records WHERE ingestion_id = %(ingestion_id)s
)
SELECT DISTINCT ON (slice) cfn_year AS first_year, cfn_seq AS first_seq
FROM (
    SELECT cfn_year, cfn_seq, ntile((SELECT slices FROM staged)) OVER (ORDER BY cfn_year, cfn_seq) AS slice
    FROM staging_official_records TABLESAMPLE SYSTEM (
        (SELECT least(100, 100 * 20000.0 / greatest(rows, 1)) FROM staged)) REPEATABLE (0)
    WHERE ingestion_id = %(ingestion_id)s AND (SELECT slices FROM staged) > 1) s
WHERE slice > 1
ORDER BY slice, cfn_year, cfn_seq
