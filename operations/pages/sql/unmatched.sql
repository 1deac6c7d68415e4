-- Return the records that wait for a decision before an id, newest first. A search reads at most the 50,000 newest.
SELECT id, feed, business_date AS day, record_type, source_reference, address, unit, city, zip, reason,
       jsonb_array_length(candidates) AS candidates
FROM (SELECT * FROM records_to_review
      WHERE (%(before)s::bigint IS NULL OR id < %(before)s) AND (%(feed)s::text IS NULL OR feed = %(feed)s)
      ORDER BY id DESC LIMIT 50000) newest
WHERE (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(q)s::text IS NULL OR strpos(lower(address), lower(%(q)s)) > 0)
ORDER BY id DESC
LIMIT %(limit)s
