-- Return the rejected lines of a feed and date after an id.
SELECT id, file_name, line_number, reason, raw_line, layout_file
FROM rejected_records
WHERE feed = %(feed)s AND business_date = %(day)s AND id > %(after)s
ORDER BY id
LIMIT %(limit)s
