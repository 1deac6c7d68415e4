"""In a clean checkout, a new developer's first commands (`make demo`, Ctrl-C, `make demo` again, `make up`) work."""

from __future__ import annotations

import ftplib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
from playwright.sync_api import Page

from local.paths import ROOT
from local.ports import LOOPBACK
from local.postgres import PostgresServer
from sandbox import FTP_PASSWORD, FTP_USER
from tests.servers.browser import browser
from tests.servers.folders import service_folder

pytestmark = [pytest.mark.drill, pytest.mark.timeout(400)]


@dataclass
class Checkout:
    """A copy of the project's tracked files. In the copy, ``make`` runs the way it does in a terminal."""

    folder: Path

    @contextmanager
    def make(self, target: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
        # Skip `install`, because the copy uses a link to this checkout's .venv. A copied .venv would not work at a
        # different path.
        command = ["make", "-o", "install", target]
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=os.environ | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A shell makes its background processes and their children ignore SIGINT. Restore the default handling of
            # SIGINT, as in a terminal.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert self.processes() == [], "make has left processes running"

    def run(self, target: str, **variables: str) -> str:
        with self.make(target, **variables) as process:
            output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output
        return output

    def setting(self, name: str) -> str:
        """Return the value that a variable has in a shell after ``source .local/env``."""
        command = ["sh", "-c", f'. .local/env && printf %s "${name}"']
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout

    def processes(self) -> list[str]:
        """Return the commands of all running processes that mention this copy's path.

        The path may be in the command, the working directory or the environment."""
        found = []
        for process in psutil.process_iter():
            try:
                signs = [*process.cmdline(), process.cwd(), process.environ().get("AIRFLOW_HOME", "")]
            except psutil.Error:
                continue
            if any(str(self.folder) in sign for sign in signs):
                found.append(" ".join(process.cmdline())[:200])
        return found


@pytest.fixture(scope="module")
def checkout() -> Iterator[Checkout]:
    with service_folder("checkout") as folder:
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
        for name in filter(None, names.stdout.split("\0")):
            if (ROOT / name).exists():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        (folder / ".venv").symlink_to(ROOT / ".venv")
        copy = Checkout(folder)
        yield copy
        copy.run("clean")


def figures(output: str) -> dict[str, int]:
    """Return the first number in each line of the summary. Each key is a line's label."""
    summary = output.partition("\nSummary\n")[2]
    return {
        found[1].strip(): int(found[2].replace(",", ""))
        for found in re.finditer(r"^\s+(\S[^\n\d]*?)\s{2,}([\d,]+)\b", summary, re.MULTILINE)
    }


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Read the process's output until a line contains ``text``; return what was read."""
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"the process ended without printing {text!r}:\n{said}")


def interrupt(process: subprocess.Popen[str]) -> str:
    """Send SIGINT to ``make`` and its child, the way Ctrl-C does in a terminal; return the rest of their output."""
    os.killpg(process.pid, signal.SIGINT)
    return process.communicate(timeout=90)[0]


def test_ctrl_c_in_the_middle_of_the_demo_leaves_no_process(checkout: Checkout) -> None:
    with checkout.make("demo") as process:
        read_until(process, "open_run:")  # On a busy machine, this task may have ended already.
        said = interrupt(process)
        assert "stopped by" in said
        assert process.returncode != 0


def test_the_demo_turns_a_day_into_alerts_that_the_providers_accept(checkout: Checkout) -> None:
    started = time.monotonic()
    output = checkout.run("demo")
    assert time.monotonic() - started < 120, "the demo takes less than two minutes"
    summary = figures(output)
    assert summary["rows read"] > 30_000
    assert 0 < summary["rows rejected"] < 0.01 * summary["rows read"]
    assert summary["new_homeowner"] > 100
    assert summary["foreclosure"] > 100
    received = re.search(r"received by the sandbox .*emails (\d+),.*texts (\d+)", output)
    assert received, output
    assert (int(received[1]), int(received[2])) == (summary["e-mails accepted"], summary["texts accepted"])
    assert summary["e-mails accepted"] > 1_000
    assert summary["texts accepted"] > 100
    assert summary["memory"] < 3_000


def test_a_second_demo_uses_the_callers_servers(
    checkout: Checkout, postgres_server: PostgresServer, redis_url: str
) -> None:
    postgres_server.ensure_database("own_leads")
    url = postgres_server.url("own_leads")
    output = checkout.run("demo", DATABASE_URL=url, REDIS_URL=redis_url)
    assert "yours" in output
    with psycopg.connect(url) as connection:
        accepted = connection.execute("SELECT count(*) FROM deliveries WHERE state = 'accepted'").fetchone()
    postgres_server.drop_database("own_leads")
    summary = figures(output)
    assert accepted == (summary["e-mails accepted"] + summary["texts accepted"],)


def test_up_uses_other_ports_when_its_own_are_taken_and_runs_until_ctrl_c(checkout: Checkout) -> None:
    with taken(8080), taken(8000), checkout.make("up") as process:
        said = read_until(process, "Ctrl-C")
        assert "port 8080 is taken" in said
        address = re.search(rf"Airflow\s+(http://{LOOPBACK}:\d+)", said)
        assert address, said
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{address[1]}/api/v2/monitor/health", timeout=10) as health:
            assert health.status == 200
        port = re.search(r"FTP on port (\d+)", said)
        assert port, said
        assert_every_day_has_files(int(port[1]))
        assert "port 8000 is taken" in said
        web = re.search(rf"web service\s+(http://{LOOPBACK}:\d+)", said)
        assert web, said
        with opener.open(f"{web[1]}/health", timeout=10) as health:
            assert health.status == 200
        password = re.search(r"op / (\S+)", said)
        assert password, said
        with psycopg.connect(checkout.setting("DATABASE_URL"), autocommit=True) as database:
            # The DAGs are not paused, so the scheduler immediately creates a run for the latest slot.
            wait_for_run(database, "scheduled__")
            wait_for_callbacks(database)
            trigger_in_the_browser(address[1], password[1], "2026-11-19")
            assert wait_for_run(database, "manual__") == (date(2026, 11, 19), "success", 0)
            review_in_the_browser(address[1], password[1], database)
        interrupt(process)
        assert process.returncode != 0


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Listen on the port until the block ends, unless another program already uses the port."""
    with closing(socket.socket()) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            listener.bind((LOOPBACK, port))
            listener.listen()
        yield


def assert_every_day_has_files(port: int) -> None:
    with ftplib.FTP() as county:
        county.connect(LOOPBACK, port, timeout=60)
        county.login(FTP_USER, FTP_PASSWORD)
        for path in (
            "daily/Cases_20260415.exp",
            "daily/Parties_20260415.exp",
            "daily/dly_records_04152026.zip",
            "weekly/Evictions_20261116.exp",
            "weekly/Indebtedness_20261116.exp",
            "monthly/Probate_202609.exp",
            "monthly/Verdicts_202609.exp",
        ):
            content = bytearray()
            county.retrbinary(f"RETR {path}", content.extend)
            assert content, path


def wait_for_run(database: psycopg.Connection[Any], run_id_prefix: str) -> tuple[Any, ...]:
    """Wait until a run with this id prefix has ended; return the run's business date, status and number of alerts."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        row = database.execute(
            "SELECT ingestion_date, status, alerts_written FROM data_ingestion_logs"
            " WHERE status <> 'running' AND starts_with(run_id, %s)",
            [run_id_prefix],
        ).fetchone()
        if row:
            return tuple(row)
        time.sleep(0.3)
    raise AssertionError(f"no run {run_id_prefix}… ended within two minutes")


def wait_for_callbacks(database: psycopg.Connection[Any]) -> None:
    """Wait until an e-mail and a text have been delivered. Only the providers' callbacks can report a delivery."""
    deadline = time.monotonic() + 60
    arrived: set[str] = set()
    while arrived != {"email", "sms"}:
        assert time.monotonic() < deadline, f"after a minute only {arrived} had been delivered"
        time.sleep(0.3)
        arrived = {row[0] for row in database.execute("SELECT channel FROM deliveries WHERE state = 'delivered'")}


def log_in(page: Page, address: str, password: str) -> None:
    page.goto(f"{address}/auth/login/")
    page.locator("input[name=username]").fill("op")
    page.locator("input[name=password]").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("^(?!.*login)"))


def review_in_the_browser(address: str, password: str, database: psycopg.Connection[Any]) -> None:
    """Open the operators' pages from Airflow's navigation, accept a parcel for an address, and match it at once."""
    record = database.execute(
        "SELECT id, address FROM records_to_review WHERE jsonb_array_length(candidates) > 0 ORDER BY id LIMIT 1"
    ).fetchone()
    assert record is not None
    with browser() as airflow:
        log_in(airflow, address, password)
        with airflow.expect_popup() as opened:
            airflow.get_by_role("button", name="Browse").click()
            airflow.get_by_role("menuitem", name="Operations").click()
        page = opened.value
        page.get_by_role("heading", name="Overview").wait_for()
        page.goto(f"{address}/operations/unmatched/{record[0]}")
        page.get_by_role("heading", name=record[1]).wait_for()
        page.get_by_role("button", name=re.compile(r"folio \d")).first.click()
        page.get_by_role("dialog").get_by_label("Reason").fill("the only parcel in the right ZIP code")
        page.get_by_role("dialog").get_by_role("button", name="Accept").click()
        page.wait_for_url(re.compile(rf"/unmatched(?!/{record[0]}\b)"))
        page.goto(f"{address}/operations/unmatched")
        page.get_by_role("button", name="Make the leads now").click()
        page.get_by_role("dialog").get_by_label("Reason").fill("a client waits for it")
        page.get_by_role("button", name="Make the leads", exact=True).click()
        page.wait_for_url(re.compile("/ingestion"))
    is_matched = "SELECT NOT EXISTS (SELECT FROM unmatched_records WHERE id = %s)"
    deadline = time.monotonic() + 120
    while database.execute(is_matched, (record[0],)).fetchone() != (True,):
        assert time.monotonic() < deadline, "the run of address_review did not match the record"
        time.sleep(0.5)


def trigger_in_the_browser(address: str, password: str, day: str) -> None:
    """In Airflow's UI, trigger a run for one date, and choose not to announce its leads."""
    with browser() as page:
        log_in(page, address, password)
        page.goto(f"{address}/dags/daily_ftp_ingestion")
        page.get_by_role("button", name="Trigger").first.click()
        page.locator("#element_business_date").fill(day)
        page.locator("#element_notify").fill("no")
        with page.expect_response(re.compile("dagRuns")) as answer:
            page.get_by_role("button", name="Trigger").last.click()
        assert answer.value.ok, answer.value.text()
