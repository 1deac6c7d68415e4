"""The operations DAGs run in Airflow, all in one process, and leave the expected rows."""

from __future__ import annotations

import gzip
import json
import os
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from leads.clock import local_day
from local.paths import ROOT
from local.ports import free_port
from local.settings import postgres_connection
from tests.servers.airflow_commands import AirflowCommands
from tests.servers.postgres import Database

SCRIPT = """
import json, sys, pendulum
from airflow.dag_processing.dagbag import DagBag
sys.path.append(sys.argv[1])  # as the dag-processor and the workers do
bag = DagBag(sys.argv[1])
for dag_id, conf in json.loads(sys.argv[2]):
    run = bag.dags[dag_id].test(logical_date=pendulum.now("America/New_York"), run_conf=conf)
    states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    print("RESULT", json.dumps([dag_id, str(run.state), states]), flush=True)
"""
RUNS = [
    ("freshness_watch", {}),
    ("lead_scoring", {}),
    ("queue_metrics", {}),
    ("daily_digest", {}),
    ("weekly_report", {}),
    ("trial_reminders", {}),
    ("data_cleanup", {}),
    ("data_cleanup", {"dry_run": False}),
]


@pytest.mark.timeout(600)
def test_each_dag_does_its_work_and_a_manual_clean_up_only_counts(
    airflow_environment: dict[str, str], airflow_commands: AirflowCommands, database: Database, tmp_path: Path
) -> None:
    today = one(database, "SELECT new_york_day(now())")
    fill(database, today)
    variables = airflow_environment | {
        "AIRFLOW_CONN_LEADS_DB": postgres_connection(database.url),
        "ARCHIVE_URL": (tmp_path / "archive").as_uri(),
        # Nothing listens at on-call's URL. A run must not fail because an alert cannot be sent.
        "ONCALL_URLS": f"json://127.0.0.1:{free_port()}/",
    }
    script = tmp_path / "runs.py"
    script.write_text(SCRIPT, "utf-8")
    command: list[str | Path] = [script, ROOT / "dags", json.dumps(RUNS)]
    done = airflow_commands.run(command, environment=os.environ | variables, folder=tmp_path, timeout=500)
    results = [json.loads(line.removeprefix("RESULT ")) for line in done.stdout.splitlines() if "RESULT " in line[:8]]
    assert [(dag_id, state) for dag_id, state, _ in results] == [(dag_id, "success") for dag_id, _ in RUNS], (
        done.stdout[-3000:] + done.stderr[-3000:]
    )
    # The connection airflow_db is not defined, so clean_airflow is skipped.
    assert results[-1][2] == {"clean_up": "success", "clean_airflow": "skipped"}

    ended = "SELECT status || ': ' || error_message FROM data_ingestion_logs WHERE run_id = 'deleted'"
    assert str(one(database, ended)).startswith("failed: the run was deleted in Airflow")
    assert one(database, "SELECT lead_score FROM leads") == 90
    assert one(database, "SELECT count(*) FROM queue_metrics") == 5
    assert one(database, "SELECT array_agg(kind ORDER BY kind) FROM deliveries") == [
        "daily_digest", "expiring_trial", "weekly_report",
    ]  # fmt: skip
    assert one(database, "SELECT array_agg(subject) FROM oncall_alerts WHERE subject LIKE 'daily_ftp%never%'")
    # The first clean-up, a manual run, only counted rows, so the second clean-up still found this row.
    (archived,) = (tmp_path / "archive" / "logs" / "api_logs").glob("*/*")
    assert json.loads(gzip.decompress(archived.read_bytes()))["query_type"] == "folio"
    assert one(database, "SELECT count(*) FROM miami_dade_api_logs") == 0
    counted = "'api_logs': 1"
    assert (done.stdout + done.stderr).count(counted) >= 2


def one(database: Database, query: str) -> Any:
    row = database.connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def fill(database: Database, today: date) -> None:
    assert today == local_day(one(database, "SELECT now()"))
    database.connection.execute(
        "INSERT INTO users (email, subscription_status, token_balance, trial_ends_at, created_at) VALUES"
        " ('a@example.com', 'trialing', 9, %s::timestamp AT TIME ZONE 'America/New_York', now() - interval '1 month')",
        (f"{today + timedelta(days=3)} 12:00",),
    )
    database.connection.execute("INSERT INTO leads (lead_type, lead_date) VALUES ('foreclosure', %s)", (today,))
    database.connection.execute(
        "INSERT INTO data_ingestion_logs (ingestion_type, ingestion_date, status, run_id, created_at, started_at)"
        " VALUES ('daily_ftp', %s, 'success', 'x', now() - interval '9 days', now() - interval '9 days')",
        (today - timedelta(days=9),),
    )
    database.connection.execute(
        "INSERT INTO data_ingestion_logs (ingestion_type, ingestion_date, status, run_id)"
        " VALUES ('weekly_ftp', %s, 'running', 'deleted')",
        (today,),
    )
    database.connection.execute(
        "INSERT INTO miami_dade_api_logs (query_type, created_at) VALUES ('folio', now() - interval '91 days')"
    )
