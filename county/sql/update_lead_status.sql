-- Close each lead whose reason has ended, and cancel its queued deliveries. If an earlier run closed a lead whose
-- reason has not ended after all, restore the lead's earlier status. Subscribers are not notified again about a
-- restored lead. Reads checked_leads.
UPDATE leads l
SET status = 'closed', reopens_as = l.status
FROM checked_leads j
WHERE l.id = j.id AND j.has_ended AND j.status <> 'closed';

SELECT cancel_deliveries(array_agg(d.id), 'lead_closed')
FROM checked_leads j JOIN deliveries d ON d.lead_id = j.id AND d.state = 'queued'
WHERE j.has_ended AND j.status <> 'closed';

UPDATE leads l
SET status = l.reopens_as, reopens_as = NULL
FROM checked_leads j
WHERE l.id = j.id AND NOT j.has_ended AND j.status = 'closed' AND l.reopens_as IS NOT NULL;

SELECT count(*) FILTER (WHERE has_ended AND status <> 'closed') AS closed,
       count(*) FILTER (WHERE NOT has_ended AND status = 'closed') AS reopened
FROM checked_leads
