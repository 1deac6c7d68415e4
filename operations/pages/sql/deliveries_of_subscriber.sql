-- Return the deliveries of one subscriber, the next ones first. Reads and sorts only ids before it reads any row.
SELECT d.*
FROM (
    SELECT id FROM deliveries
    WHERE subscriber_id = {subscriber} AND id > %(above)s AND id < %(below)s
    ORDER BY id {direction} LIMIT %(scan)s
) AS i
JOIN deliveries d ON d.id = i.id
