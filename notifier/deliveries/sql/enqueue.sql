-- Enqueue deliveries, and return the new or existing delivery for each request.
SELECT delivery_id, state, opened FROM enqueue_deliveries(%(requests)s::jsonb, %(timeout)s)
