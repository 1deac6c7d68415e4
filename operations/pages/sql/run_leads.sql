-- Return the leads of a business date by type that were created while the run was running.
SELECT lead_type, count(*) AS leads
FROM leads
WHERE business_date = %(day)s AND created_at >= %(started)s
  AND created_at <= coalesce(%(started)s::timestamptz + make_interval(secs => %(seconds)s), now())
GROUP BY lead_type ORDER BY lead_type
