-- Return the leads of a business date by type that were created after the run began.
SELECT lead_type, count(*) AS leads
FROM leads WHERE business_date = %(day)s AND created_at >= %(started)s
GROUP BY lead_type ORDER BY lead_type
