"""The benchmarks run: what they print is for people, that they still work is for CI."""

from __future__ import annotations

import subprocess
import sys

import pytest

from local.places import ROOT


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_a_benchmark_prints_its_table() -> None:
    done = bench("ingestion", "--scale", "0.01")
    assert done.returncode == 0, done.stderr
    assert "merge" in done.stdout


@pytest.mark.drill
def test_mail_is_measured_with_a_worker_of_its_own() -> None:
    done = bench("notifier_email", "--scale", "0.1")
    assert done.returncode == 0, done.stderr
    assert "e-mails/s" in done.stdout


def test_an_unknown_benchmark_is_named_with_those_there_are() -> None:
    done = bench("nonsense")
    assert done.returncode == 2
    assert "there is no benchmark nonsense; there are " in done.stderr
    assert "ingestion" in done.stderr
