-- It was sent after all: nobody needs to look at its dead letter any more.
UPDATE failed_jobs SET state = 'dismissed' WHERE delivery_id = ANY (%(ids)s) AND state = 'open'
