"""The DAG's first steps wait, continue or fail depending on the time of day.

The tests call the tasks directly, without a running Airflow.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ingestion_callbacks
import ingestion_dag
import pytest
from airflow.sdk import DagRunState
from airflow.sdk.exceptions import AirflowFailException, AirflowRescheduleException, AirflowSkipException
from structlog.testing import capture_logs

from county import feeds
from county.archive import open_archive
from county.errors import DatabaseTrouble, FileStillChanging, MissingFile
from county.fetch import FetchRequest, files_to_fetch
from county.ftp import CountyFtp
from leads.clock import NEW_YORK
from local.settings import postgres_connection
from tests.county.conftest import connect_to
from tests.servers.ftp import CountyServer
from tests.servers.postgres import Database

FRIDAY = date(2026, 11, 20)
THANKSGIVING = date(2026, 11, 26)
EVENING = datetime(2026, 11, 19, 21, 30, tzinfo=NEW_YORK)


@dataclass
class Run:
    """A run of the daily DAG, executed by the test instead of Airflow.

    ``open`` executes the task open_run once. ``fetch`` executes the task wait_for_files once. If wait_for_files does
    not ask to be called again, ``fetch`` then executes the task fetch once for each file.
    """

    monkeypatch: pytest.MonkeyPatch
    database: Database
    day: date = FRIDAY
    states: dict[str, str] = field(default_factory=dict)
    """Run id → the state that Airflow reports for another run."""
    now: datetime = datetime(2026, 11, 1, tzinfo=NEW_YORK)
    """The current time in the DAG."""

    def at(self, hour: int, minute: int = 0) -> Run:
        self.now = moment = datetime(self.day.year, self.day.month, self.day.day, hour, minute, tzinfo=NEW_YORK)
        for module in (ingestion_dag, ingestion_callbacks):
            self.monkeypatch.setattr(module, "now", lambda: moment)
        return self

    def open(self, run_id: str = "scheduled__1") -> dict[str, Any]:
        logical = datetime(self.day.year, self.day.month, self.day.day, 6, tzinfo=NEW_YORK)
        dag_run = SimpleNamespace(
            dag_id="daily_ftp_ingestion", run_id=run_id, logical_date=logical, run_type="scheduled", conf={}
        )
        ti = SimpleNamespace(get_dagrun_state=lambda dag_id, other: DagRunState(self.states.get(other, "running")))
        params = {"business_date": None, "notify": None, "refetch": False}
        context = {"dag_run": dag_run, "params": params, "ti": ti}
        self.monkeypatch.setattr(ingestion_dag, "get_current_context", lambda: context)
        opened: dict[str, Any] = ingestion_dag.open_run.function("daily")
        return opened

    def fetch(self, run: dict[str, Any]) -> list[str] | None:
        """Return the names of the archived objects, or None if the task asks to be called again later."""
        look = ingestion_dag.wait_for_files.function(run)
        if not look.is_done:
            return None
        try:
            return [ingestion_dag.fetch.function(run, file)["object_name"] for file in look.xcom_value]
        except AirflowRescheduleException as later:
            assert later.reschedule_date == self.now + timedelta(minutes=10)
            return None

    def log(self) -> list[tuple[Any, ...]]:
        query = "SELECT run_id, ingestion_date, status, error_message FROM data_ingestion_logs ORDER BY id"
        return self.database.connection.execute(query).fetchall()

    def ended_steps(self) -> list[str]:
        query = "SELECT step FROM ingestion_steps WHERE ended_at >= started_at ORDER BY started_at"
        return [step for (step,) in self.database.connection.execute(query)]


@pytest.fixture
def start(
    database: Database, server: CountyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Run]:
    monkeypatch.setattr("county.fetch.PAUSE", 0)
    monkeypatch.setenv("AIRFLOW_CONN_LEADS_DB", postgres_connection(database.url))
    monkeypatch.setenv("ARCHIVE_URL", (tmp_path / "archive").as_uri())
    return lambda **options: Run(monkeypatch, database, **options)


def publish(server: CountyServer, written: datetime = EVENING, suffix: str = "") -> None:
    for stem in ("Cases", "Parties"):
        server.put(f"/daily/{stem}{suffix}.exp", b"a record\r\n", written)


def test_a_late_file_is_picked_up_at_nine(start: Callable[..., Run], server: CountyServer) -> None:
    run = start()
    opened = run.at(6).open()
    assert run.fetch(opened) is None
    server.put("/daily/Cases.exp", b"a record\r\n", EVENING)
    assert run.at(8).fetch(opened) is None, "one of two files is not enough"
    publish(server, datetime(2026, 11, 20, 8, 50, tzinfo=NEW_YORK))
    assert run.at(9).fetch(opened) == ["daily/2026-11-20/Cases.exp", "daily/2026-11-20/Parties.exp"]
    assert run.log() == [("scheduled__1", FRIDAY, "running", None)]
    assert run.ended_steps() == ["wait_for_files", "fetch Cases.exp", "fetch Parties.exp"]


def test_waiting_ends_at_six_in_the_evening(start: Callable[..., Run]) -> None:
    run = start()
    opened = run.at(6).open()
    assert run.at(17, 59).fetch(opened) is None
    with pytest.raises(AirflowFailException, match=r"Cases\.exp and Parties\.exp for 2026-11-20: not in the archive"):
        run.at(18).fetch(opened)
    assert run.ended_steps() == []


def test_a_file_that_is_being_written_today_is_waited_for(start: Callable[..., Run], server: CountyServer) -> None:
    run = start()
    publish(server, suffix="_20261120")
    server.grow = ["another record\r\n"]
    opened = run.at(6).open()
    assert run.fetch(opened) is None
    assert len(run.at(6, 10).fetch(opened) or []) == 2
    stored = Path(server.folder.parent / "archive/daily/2026-11-20/Cases_20261120.exp").read_bytes()
    assert stored == b"a record\r\nanother record\r\n"


def test_a_file_that_is_being_written_for_a_past_date_is_tried_again_soon(
    start: Callable[..., Run], server: CountyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start()
    publish(server, suffix="_20261120")
    opened = run.at(6).open()
    server.grow = ["another record\r\n"]
    later = datetime(2026, 11, 24, 9, tzinfo=NEW_YORK)
    monkeypatch.setattr(ingestion_dag, "now", lambda: later)
    with pytest.raises(FileStillChanging):
        run.fetch(opened)
    assert len(run.fetch(opened) or []) == 2


def test_a_holiday_is_skipped(start: Callable[..., Run]) -> None:
    run = start(day=THANKSGIVING)
    opened = run.at(6).open()
    with pytest.raises(AirflowSkipException):
        run.fetch(opened)
    assert run.log() == [("scheduled__1", THANKSGIVING, "skipped", None)]


def test_a_weekly_file_is_waited_for_on_a_holiday_too(server: CountyServer, tmp_path: Path) -> None:
    memorial_day = date(2026, 5, 25)
    request = FetchRequest(feeds.feed("weekly"), memorial_day)
    archive = open_archive((tmp_path / "archive").as_uri())
    with closing(CountyFtp(timeout=3)) as ftp:
        assert files_to_fetch(request, ftp, archive, now=datetime(2026, 5, 25, 7, tzinfo=NEW_YORK)) is None
        with pytest.raises(MissingFile):
            files_to_fetch(request, ftp, archive, now=datetime(2026, 5, 25, 18, tzinfo=NEW_YORK))


def test_a_wrong_password_fails_at_once(
    start: Callable[..., Run], server: CountyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start()
    opened = run.at(6).open()
    connect_to(monkeypatch, port=server.port, password="wrong")
    with pytest.raises(AirflowFailException, match="Correct user and password"):
        run.fetch(opened)


@pytest.fixture
def no_database(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def take_away() -> None:
        monkeypatch.setenv("AIRFLOW_CONN_LEADS_DB", postgres_connection("postgresql://leads@127.0.0.1:9/leads"))

    return take_away


def test_an_unreachable_database_is_named_and_hides_no_other_error(
    start: Callable[..., Run], no_database: Callable[[], None]
) -> None:
    run = start()
    opened = run.at(6).open()
    no_database()
    with pytest.raises(DatabaseTrouble, match="start the server or correct the connection leads_db"):
        run.fetch(opened)
    dag = SimpleNamespace(dag_id="daily_ftp_ingestion")
    task = SimpleNamespace(task_id="fetch")
    with capture_logs() as events:
        ingestion_callbacks.note_error(
            {"dag": dag, "run_id": "scheduled__1", "ti": task, "exception": "the file is empty"}
        )
        ingestion_callbacks.fail_run({"dag": dag, "run_id": "scheduled__1"})
    assert [(event["event"], event.get("error")) for event in events] == [
        ("error_not_recorded", "fetch: the file is empty"),
        ("run_not_ended", None),
    ]
    assert run.log() == [("scheduled__1", FRIDAY, "running", None)]


def test_the_next_run_marks_earlier_dead_runs_as_failed(start: Callable[..., Run]) -> None:
    run = start(states={"scheduled__1": "failed", "scheduled__2": "running"})
    for run_id in ("scheduled__1", "scheduled__2", "scheduled__3"):
        run.at(6).open(run_id)
    states = [(run_id, status) for run_id, _, status, _ in run.log()]
    assert states == [("scheduled__1", "failed"), ("scheduled__2", "running"), ("scheduled__3", "running")]
    assert "while the leads database was unreachable" in run.log()[0][3]


@pytest.mark.parametrize("context", [{}, {"ti": None, "reason": None, "dag_run": None}])
def test_a_callback_with_a_nearly_empty_context_fails_the_row(
    start: Callable[..., Run], context: dict[str, Any]
) -> None:
    run = start()
    run.at(6).open()
    ingestion_callbacks.fail_run(
        {"dag": SimpleNamespace(dag_id="daily_ftp_ingestion"), "run_id": "scheduled__1"} | context
    )
    ((_, _, status, error),) = run.log()
    assert status == "failed"
    assert error == "the run failed: no reason given. See the task's log, then clear it."
