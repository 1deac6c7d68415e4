-- Return the next deliveries of a source, in the order of their ids, by merging its branches.
SELECT * FROM ({branches}) AS m ORDER BY id {direction} LIMIT %(scan)s
