-- Update all scores in one statement. A lead whose score is unchanged is not updated, so last_score_update is the time
-- of the last change.
UPDATE leads
SET lead_score = calculate_lead_score(lead_type, lead_date, estimated_equity, engagement_count),
    last_score_update = now()
WHERE status IN ('new', 'contacted')
  AND lead_score <> calculate_lead_score(lead_type, lead_date, estimated_equity, engagement_count)
