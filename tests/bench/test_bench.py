"""The benchmarks still run and print their tables."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from bench import dags, side_by_side
from local.paths import ROOT


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_ingestion_is_measured_beside_its_floor() -> None:
    """At a scale of 0.002, the benchmark measures one day with 400 documents and one day with 2,000 documents."""
    done = bench("ingestion", "--scale", "0.002")
    assert done.returncode == 0, done.stderr
    for line in ("2,000 documents, 4,000 parties", "both at once, as in the DAG", "all steps", "slowest statement 3"):
        assert line in done.stdout
    replays = re.findall(r"a replay of the unchanged day rewrote (\d+) of [\d,]+ rows", done.stdout)
    assert replays == ["0", "0", "0"]


@pytest.mark.drill
def test_each_statement_of_the_operators_pages_is_measured() -> None:
    done = bench("operators_pages", "--scale", "0.002")
    assert done.returncode == 0, done.stderr
    for line in ("overview: queues", "q: phone number", "opened: waiting", "causes: open", "above 150 ms at p95"):
        assert line in done.stdout


@pytest.mark.drill
def test_the_notifier_benchmarks_run_one_after_another_in_one_process() -> None:
    """Each benchmark uses its own servers and workers, even after another benchmark has run in the same process."""
    done = bench("notifier_email", "notifier_lookups", "--scale", "0.02")
    assert done.returncode == 0, done.stderr
    for line in ("e-mails/s", "lookups: ms", "beside 500 e-mails", "share of a core", "wake-ups of an empty queue"):
        assert line in done.stdout
    assert "lost the database" not in done.stderr


@pytest.mark.drill
def test_each_kind_of_dag_is_measured_through_the_scheduler(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The benchmark runs the parcel roll, one FTP feed, and the clean-up (with and without expired rows)."""
    monkeypatch.setattr(dags, "FEEDS", ("weekly",))
    monkeypatch.setattr(dags, "OPERATIONS", ("data_cleanup",))
    dags.run(0.01)
    table = capsys.readouterr().out.partition("each DAG once, through the scheduler")[2]
    assert re.search(r"^property_roll .* rows 2940, properties 2940,", table, re.MULTILINE), table
    assert re.search(r"^weekly_ftp_ingestion .* leads [1-9]\d*, alerts [1-9]", table, re.MULTILINE), table
    assert re.search(r"^data_cleanup, with expired rows .* deliveries [1-9]", table, re.MULTILINE), table
    assert re.search(r"^  weekly_ftp_ingestion: open_run .*, close_run \d", table, re.MULTILINE), table


def test_both_designs_are_compared_round_by_round() -> None:
    theirs = {"stack": "bullmq", "bench": "lookup", "load": "idle", "at_once": 1}
    ours = {"stack": "here", "bench": "lookup", "load": "idle"}
    rounds = [
        # The first line of theirs was disturbed, so it was measured again.
        [{**theirs, "p50_ms": 99.0}, {**theirs, "p50_ms": 10.0}, {**ours, "p50_ms": 5.0}],
        [{**theirs, "p50_ms": 20.0}, {**ours, "p50_ms": 16.0}],
        [{**theirs, "p50_ms": 10.0}, {**ours, "p50_ms": 9.0}],
        [{**theirs, "p50_ms": 10.0}],
    ]
    assert list(side_by_side.table(rounds)) == [
        ["lookup, idle: p50, ms", "10, 5", "20, 16", "10, 9", "", "0.80"],
    ]


def test_without_the_other_design_nothing_is_compared() -> None:
    done = bench("side_by_side")
    assert done.returncode == 0, done.stderr
    assert "skipped. Set PEERS_DIR" in done.stdout


@pytest.mark.drill
def test_the_queue_and_its_digests_are_measured() -> None:
    done = bench("queue_load", "notifier_digests", "--scale", "0.002")
    assert done.returncode == 0, done.stderr
    for line in ("claim 500", "leader: one whole round", "queue_metrics", "accepted 1000"):
        assert line in done.stdout


def test_the_error_for_an_unknown_benchmark_lists_the_known_ones() -> None:
    done = bench("nonsense")
    assert done.returncode == 2
    assert "there is no benchmark nonsense; there are " in done.stderr
    assert "ingestion" in done.stderr
