-- Return the rejected lines of a feed and date after an id. A line may be very long: only its beginning is returned.
SELECT id, file_name, line_number, reason, left(raw_line, %(length)s) AS raw_line, length(raw_line) AS length, layout_file
FROM rejected_records
WHERE feed = %(feed)s AND business_date = %(day)s AND id > %(after)s
ORDER BY id
LIMIT %(limit)s
