"""Connections to the leads database, through Airflow's connection ``leads_db``."""

from __future__ import annotations

import json
import os

import psycopg
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk.exceptions import AirflowException

from county.errors import DatabaseTrouble, PermanentIngestionError
from leads.database import KEEPALIVES

LEADS_DB = "leads_db"

#: Settings of the database session. The intervals and timeouts make PostgreSQL release a task's locks after the task is
#: killed or its machine goes down. ``work_mem`` lets a step sort and hash the rows of a whole day in memory; with
#: PostgreSQL's default of 4 MB, the rows would spill to disk. Just-in-time compilation (``jit``) would take longer than
#: it saves.
_SESSION = {
    "application_name": "ingestion",
    "work_mem": "64MB",
    "client_connection_check_interval": "5s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "jit": "off",
    "idle_in_transaction_session_timeout": "15min",
}


def leads_connection() -> psycopg.Connection:
    """Return an autocommit connection to the leads database (Airflow's ``leads_db``, or else ``DATABASE_URL``).

    Raises DatabaseTrouble when the server does not answer, and PermanentIngestionError when neither the connection nor
    the setting is defined.
    """
    try:
        connection = _connect()
        connection.autocommit = True
        connection.execute(
            "SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS s (name, value)",
            (list(_SESSION), list(_SESSION.values())),
        )
    except psycopg.OperationalError as error:
        raise DatabaseTrouble(
            f"the leads database does not answer: {str(error).strip()}. Nothing was changed; start the server or "
            f"correct the connection {LEADS_DB}; the next try continues."
        ) from error
    return connection


def _connect() -> psycopg.Connection:
    try:
        leads_db = PostgresHook.get_connection(LEADS_DB)
    except AirflowException as missing:
        url = os.environ.get("DATABASE_URL")
        if not url:
            raise PermanentIngestionError(
                f"neither Airflow's connection {LEADS_DB} nor DATABASE_URL is set: define one of them ({missing})"
            ) from missing
        return psycopg.connect(url, **KEEPALIVES)
    leads_db.extra = json.dumps({**KEEPALIVES, **leads_db.extra_dejson})
    connection = PostgresHook(connection=leads_db, log_sql=False).get_conn()
    assert isinstance(connection, psycopg.Connection)
    return connection


def database_trouble(error: Exception) -> DatabaseTrouble | None:
    """Return a DatabaseTrouble for an error that the leads database caused in a step, or None for any other error."""
    if not isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return None
    said = (error.diag.message_primary or str(error)).strip()
    remedy = "the next try repeats it, or clear this task when the server is back."
    if isinstance(error, psycopg.errors.DiskFull):
        remedy = "free space on its server's disk, then the next try repeats it, or clear this task."
    return DatabaseTrouble(
        f"the leads database interrupted this step: {said}. What the step had not committed is undone; {remedy}"
    )
