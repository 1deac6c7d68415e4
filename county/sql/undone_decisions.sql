-- Find a match of the run that follows a decision that no longer exists.
SELECT FROM matched_records m
WHERE m.ingestion_id = %(ingestion_id)s AND m.decision_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM address_decisions d WHERE d.id = m.decision_id)
LIMIT 1
