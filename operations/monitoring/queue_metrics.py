"""Metrics of the notifier's queues, for dashboards that show them over time."""

from __future__ import annotations

import psycopg

from leads.sql import statement

#: The notifier's queues; listed here because the batch side does not import the notifier.
QUEUES = ("admin-alerts", "api-property-lookup", "email-workflows", "sms-notifications", "voice-assistant")


def record_queue_metrics(connection: psycopg.Connection) -> int:
    """Write one row to ``queue_metrics`` for each queue; return the number of rows."""
    return connection.execute(statement("operations/monitoring/queue_metrics"), {"queues": list(QUEUES)}).rowcount
