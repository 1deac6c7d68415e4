"""What every part of the notifier rests on: the database, queues, states, errors, prices, redaction."""
