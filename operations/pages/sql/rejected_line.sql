-- Return one rejected line of a feed and date.
SELECT file_name, line_number, reason, raw_line
FROM rejected_records WHERE id = %(id)s AND feed = %(feed)s AND business_date = %(day)s
