"""The lowest layer of the notifier: database access, queues, states, errors, prices, redaction."""
