"""The wording of messages. The functions turn rows from ``compose_*.sql`` into template fields and SMS texts."""
