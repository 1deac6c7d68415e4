-- Return all kinds of deliveries.
SELECT kind FROM delivery_kinds ORDER BY kind
