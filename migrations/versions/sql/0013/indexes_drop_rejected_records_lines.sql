DROP INDEX CONCURRENTLY IF EXISTS rejected_records_lines;
