SELECT ({archived})::text FROM {table} d WHERE d.id = ANY (%(ids)s)
