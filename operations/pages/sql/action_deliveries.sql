-- Return those of some deliveries that an action can change now. Of these, an action may still refuse some, for example
-- because the subscriber has too few tokens.
SELECT d.id FROM deliveries d
WHERE d.id = ANY (%(ids)s)
  AND CASE %(action)s
      WHEN 'retry' THEN d.state IN ('failed', 'dead', 'parked')
           AND EXISTS (SELECT FROM failed_jobs f WHERE f.delivery_id = d.id AND f.state = 'open')
      WHEN 'send_now' THEN d.state = 'queued' AND d.not_before > now()
      ELSE d.state = 'queued'
  END
ORDER BY d.id
