"""Digests, reports and reminders that DAGs enqueue."""
