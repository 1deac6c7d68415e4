"""How the notifier's queues are doing, for the pages and boards that show it over time."""

from __future__ import annotations

import psycopg

from leads.sql import statement

#: The notifier's lanes; named here because Airflow's machines need not have the notifier's modules.
QUEUES = ("admin-alerts", "api-property-lookup", "email-workflows", "sms-notifications", "voice-assistant")


def record_queue_metrics(connection: psycopg.Connection) -> int:
    """Write one row of ``queue_metrics`` for each queue: what is there now, what has happened since the row before."""
    return connection.execute(statement("operations/monitoring/queue_metrics"), {"queues": list(QUEUES)}).rowcount
