-- Return the reasons of the records that wait for a decision.
SELECT reason, count(*) AS records FROM records_to_review
WHERE reason IS NOT NULL AND (%(feed)s::text IS NULL OR feed = %(feed)s)
GROUP BY reason ORDER BY records DESC LIMIT 20
