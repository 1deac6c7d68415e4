-- Return the files that a run has read.
SELECT file, object_name, checksum, bytes, lines_read, lines_staged, lines_rejected
FROM ingestion_files WHERE ingestion_id = %(id)s ORDER BY file
