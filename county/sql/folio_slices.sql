-- Choose the folios at which the second slice and the next slices begin, from a sample of the day's pending folios.
WITH pending AS (
    SELECT count(*) AS rows,
           greatest(least(%(slices)s, count(*) / %(smallest)s), ceil(1.0 * count(*) / %(largest)s))::integer AS slices
    FROM pending_folios WHERE business_date = %(day)s::date
)
SELECT DISTINCT ON (slice) folio AS first_folio
FROM (
    SELECT folio, ntile((SELECT slices FROM pending)) OVER (ORDER BY folio) AS slice
    FROM pending_folios TABLESAMPLE BERNOULLI (
        (SELECT least(100, 100 * 20000.0 / greatest(rows, 1)) FROM pending)) REPEATABLE (0)
    WHERE business_date = %(day)s::date AND (SELECT slices FROM pending) > 1) s
WHERE slice > 1
ORDER BY slice, folio
