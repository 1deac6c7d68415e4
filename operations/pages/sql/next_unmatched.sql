-- Return the record of the same feed that comes next in the list.
SELECT id FROM records_to_review WHERE id < %(id)s AND feed = %(feed)s ORDER BY id DESC LIMIT 1
