-- Return the next deliveries of one branch of a source, in the order of their ids.
SELECT * FROM ({branch}) AS b WHERE id > %(above)s AND id < %(below)s ORDER BY id {direction} LIMIT %(scan)s
