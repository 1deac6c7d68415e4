-- Close the dead letters of deliveries that were sent after all.
UPDATE failed_jobs SET state = 'dismissed' WHERE delivery_id = ANY (%(ids)s) AND state = 'open'
