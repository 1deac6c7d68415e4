-- Return the ids of the next dead letters that another statement finds, in the order of the ids.
SELECT id FROM ({rows}) AS f ORDER BY id {direction} LIMIT %(limit)s
