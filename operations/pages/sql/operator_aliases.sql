SELECT alias, street FROM street_aliases WHERE NOT is_reference ORDER BY alias, street LIMIT 500
