-- One statement for all of them. A score that stays is not rewritten: the row, and the time of its last change, stay too.
UPDATE leads
SET lead_score = calculate_lead_score(lead_type, lead_date, estimated_equity, engagement_count),
    last_score_update = now()
WHERE status IN ('new', 'contacted')
  AND lead_score <> calculate_lead_score(lead_type, lead_date, estimated_equity, engagement_count)
