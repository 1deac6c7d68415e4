"""Run the daily ingestion in drills. A drill publishes files, makes a step wait, and checks the outcome."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg
from psycopg import sql

from leads.clock import NEW_YORK
from tests.county.days import WRITERS, deed
from tests.servers.airflow_stack import AirflowStack, wait_for

DAG_ID = "daily_ftp_ingestion"
DEEDS = 5

#: Step → the table that a drill locks to make the step wait in the middle of its work. The step just before
#: that step may also use the table, but earlier steps do not.
HOLDS = {
    "open_run": "data_ingestion_logs",
    "wait_for_files": "data_ingestion_logs",
    "fetch": "ingestion_files",
    "stage": "rejected_records",
    "match": "matched_records",
    "merge": "pending_folios",
    "make_leads": "leads",
    "write_alerts": "subscriber_lead_criteria",
    "close_run": "failed_jobs",
}

_folios = iter(range(1, 1_000_000))


@dataclass
class Ingestion:
    """Controls the daily ingestion in a running Airflow.

    Each published day has DEEDS sales, each of a different property.
    """

    stack: AirflowStack
    published: list[date] = field(default_factory=list)

    # ── the county ────────────────────────────────────────────────────────────────────────────────────────────────

    def publish(self, day: date) -> None:
        recorded = day - timedelta(days=1)
        made = [
            deed(recorded, f"BUYER {name}", folio=f"3049{next(_folios):09}")
            for name in ("ANA", "BEN", "EVA", "JO", "LEO")
        ]
        for name in ("Cases.exp", "Parties.exp"):
            text = "\r\n".join(WRITERS[name](made)) + "\r\n"
            dated = f"{name.removesuffix('.exp')}_{day:%Y%m%d}.exp"
            self.stack.county.put(f"/daily/{dated}", text.encode(), datetime(2026, 1, 2, tzinfo=UTC))
        self.published.append(day)

    @cached_property
    def slot(self) -> date:
        """Return the business date of the run that the scheduler creates when the DAG is unpaused."""
        dag = wait_for("the DAG", lambda: self.stack.api.dag(DAG_ID))
        return datetime.fromisoformat(str(dag["next_dagrun_logical_date"])).astimezone(NEW_YORK).date()

    # ── runs ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def wait_until_idle(self) -> None:
        """Wait until all runs have ended, including the run that the scheduler creates for the latest slot."""

        def idle() -> bool:
            states = [run["state"] for run in self.stack.api.runs(DAG_ID)]
            return bool(states) and not {"queued", "running"} & set(states)

        wait_for("the end of all runs", idle)

    def start(self, day: date) -> str:
        """Publish the day's files, and trigger a run that ingests them and announces the leads; return the run's id."""
        self.publish(day)
        moment = f"{datetime.now(UTC) - timedelta(hours=2):%Y-%m-%dT%H:%M:%S.%fZ}"
        return self.stack.api.trigger(DAG_ID, moment, {"business_date": day.isoformat(), "notify": True})

    def wait_until(self, run_id: str, state: str, timeout: float = 180) -> None:
        def ended() -> str | None:
            found = str(self.stack.api.run(DAG_ID, run_id)["state"])
            return found if found in ("success", "failed") else None

        assert wait_for(f"the end of {run_id}", ended, timeout) == state, self.rows(
            "SELECT status, error_message FROM data_ingestion_logs WHERE run_id = %s", run_id
        )

    def wait_until_done(self, run_id: str, step: str) -> None:
        def done() -> bool:
            tasks = self.stack.api.task_instances(DAG_ID, run_id)
            return any(task["task_id"] == step and task["state"] == "success" for task in tasks)

        wait_for(f"the success of {step}", done)

    # ── holding a step ────────────────────────────────────────────────────────────────────────────────────────────

    def hold(self, step: str) -> psycopg.Connection[Any]:
        """Make the step wait in the middle of its work until the caller closes the returned connection."""
        holder = psycopg.connect(self.stack.leads.url("leads"), application_name="holder")
        # The step write_alerts only reads the table. Only an ACCESS EXCLUSIVE lock makes a reader wait.
        mode = "ACCESS EXCLUSIVE" if step == "write_alerts" else "SHARE ROW EXCLUSIVE"
        holder.execute(sql.SQL(f"LOCK TABLE {{}} IN {mode} MODE").format(sql.Identifier(HOLDS[step])))
        return holder

    def held(self, step: str) -> closing[psycopg.Connection[Any]]:
        return closing(self.hold(step))

    def wait_until_held(self, tasks: int = 1, but: frozenset[int] = frozenset()) -> set[int]:
        """Wait until ``tasks`` processes are waiting inside a step; return their pids. Ignore the pids in ``but``."""
        return wait_for(f"{tasks} held tasks", lambda: self._held(tasks, but))

    def _held(self, tasks: int, but: frozenset[int]) -> set[int] | None:
        ports = self.rows(
            "SELECT client_port FROM pg_stat_activity WHERE application_name = 'ingestion' AND wait_event_type = 'Lock'"
        )
        owners = {
            connection.pid
            for connection in psutil.net_connections("tcp4")
            if connection.pid and connection.laddr and (connection.laddr.port,) in ports
        } - but
        return owners if len(owners) >= tasks else None

    # ── outcomes ──────────────────────────────────────────────────────────────────────────────────────────────────

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.stack.leads.url("leads"), autocommit=True) as connection:
            return connection.execute(query, parameters).fetchall()

    def log(self, run_id: str) -> list[tuple[Any, ...]]:
        """Return the business date, status and error from each of the run's rows in ``data_ingestion_logs``."""
        return self.rows(
            "SELECT ingestion_date, status, error_message FROM data_ingestion_logs WHERE run_id = %s", run_id
        )

    def wait_for_log(self, run_id: str, status: str) -> list[tuple[Any, ...]]:
        """Wait until one of the run's rows has the status; return the run's rows.

        The run's callback may write the status after the run has ended.
        """
        return wait_for(f"a row with the status {status}", lambda: self._log_if(run_id, status))

    def _log_if(self, run_id: str, status: str) -> list[tuple[Any, ...]] | None:
        rows = self.log(run_id)
        return rows if status in (row[1] for row in rows) else None

    def assert_whole(self, run_id: str, day: date, alerts: int = DEEDS) -> None:
        """Check that the day was ingested once and completely, and that the run's log row has the right counts."""
        counts = "records_processed, records_rejected, new_properties, new_leads_generated, alerts_written"
        assert self.rows(
            f"SELECT ingestion_date, status, error_message, {counts} FROM data_ingestion_logs WHERE run_id = %s", run_id
        ) == [(day, "success", None, 3 * DEEDS, 0, DEEDS, DEEDS, alerts)]
        leads = "SELECT count(*), count(DISTINCT property_id), min(status), max(status) FROM leads"
        assert self.rows(f"{leads} WHERE business_date = %s", day) == [(DEEDS, DEEDS, "new", "new")]
        assert self.rows(
            "SELECT count(*) FROM deliveries d JOIN leads l ON l.id = d.lead_id WHERE l.business_date = %s", day
        ) == [(alerts,)]
        assert self.rows("SELECT count(*) FROM document_versions WHERE business_date = %s", day) == [(DEEDS,)]
        assert self.rows("SELECT count(*) FROM party_versions WHERE business_date = %s", day) == [(2 * DEEDS,)]

    def said(self, run_id: str, task_id: str) -> str:
        """Return the text that all tries of a task have logged."""
        folder = self.stack.logs / f"dag_id={DAG_ID}" / f"run_id={run_id}" / f"task_id={task_id}"
        return "".join(path.read_text("utf-8", "replace") for path in sorted(folder.glob("**/*.log")))
