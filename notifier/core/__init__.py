"""The foundation of the notifier: database access, queues, states, errors, prices, redaction."""
