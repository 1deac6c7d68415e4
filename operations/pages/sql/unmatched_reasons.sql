-- Return the reasons of the 50,000 newest records that wait for a decision.
SELECT reason, count(*) AS records
FROM (SELECT reason FROM records_to_review
      WHERE reason IS NOT NULL AND (%(feed)s::text IS NULL OR feed = %(feed)s)
      ORDER BY id DESC LIMIT 50000) newest
GROUP BY reason ORDER BY records DESC LIMIT 20
