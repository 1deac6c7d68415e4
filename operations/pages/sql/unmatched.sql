-- Return the records that wait for a decision before an id, newest first.
SELECT id, feed, business_date AS day, record_type, source_reference, address, unit, city, zip, reason,
       jsonb_array_length(candidates) AS candidates
FROM records_to_review
WHERE (%(before)s::bigint IS NULL OR id < %(before)s)
  AND (%(feed)s::text IS NULL OR feed = %(feed)s)
  AND (%(reason)s::text IS NULL OR reason = %(reason)s)
  AND (%(q)s::text IS NULL OR strpos(lower(address), lower(%(q)s)) > 0)
ORDER BY id DESC
LIMIT %(limit)s
