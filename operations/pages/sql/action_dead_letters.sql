-- Return those of some dead letters that an action can change now. Only a dead letter of a delivery can be retried.
SELECT f.id FROM failed_jobs f
WHERE f.id = ANY (%(ids)s) AND f.state = 'open' AND (%(action)s <> 'retry' OR f.delivery_id IS NOT NULL)
ORDER BY f.id
