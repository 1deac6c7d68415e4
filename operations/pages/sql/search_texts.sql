-- Return the deliveries whose error message contains a text, without those that have one of some error codes. OFFSET 0
-- keeps the planner from reading all deliveries in the order of their ids instead.
SELECT * FROM (
    SELECT * FROM deliveries WHERE error_message IS NOT NULL AND error_message ILIKE %(pattern)s OFFSET 0
) AS texts
WHERE error_code IS NULL OR error_code <> ALL (%(codes)s)
