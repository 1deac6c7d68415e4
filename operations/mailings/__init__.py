"""Digests, reports and reminders that a DAG enqueues."""
