"""Measure this system and the Node.js design in turns, and print the ratios of their figures.

The machine's speed may change within minutes, so only figures of the same round are compared. The setting PEERS_DIR is
the folder with the Node.js design's benchmarks (``run_all.sh``), which need Node.js and npm.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from bench.tables import print_table
from local.paths import ROOT

ROUNDS = 3

Result = Mapping[str, object]

#: Results of the two designs that are compared: what identifies theirs, and what identifies ours.
FIRST: tuple[Result, Result] = ({"pass": "first day (all inserts)"}, {"pass": "first"})
REPLAY: tuple[Result, Result] = ({"pass": "same files again (all updates)"}, {"pass": "replay"})
IDLE: tuple[Result, Result] = ({"load": "idle", "at_once": 1}, {"load": "idle"})
DRAIN: tuple[Result, Result] = ({"load": "email drain", "at_once": 1}, {"load": "email drain"})
EMAIL: tuple[Result, Result] = ({"bench": "email", "provider_ms": 0, "procs": 1}, {"bench": "email", "provider_ms": 0})
EMAIL_20: tuple[Result, Result] = (
    {"bench": "email", "provider_ms": 20, "procs": 1},
    {"bench": "email", "provider_ms": 20},
)
#: Each compared figure: its key in their result and in ours, and the two results.
FIGURES: Mapping[str, tuple[str, str, tuple[Result, Result]]] = {
    "ingest, first run: s": ("total_s", "total_s", FIRST),
    "ingest, same files again: s": ("total_s", "total_s", REPLAY),
    "lookup, idle: p50, ms": ("p50_ms", "p50_ms", IDLE),
    "lookup, idle: p99, ms": ("p99_ms", "p99_ms", IDLE),
    "lookup, e-mails drain: p50, ms": ("p50_ms", "p50_ms", DRAIN),
    "lookup, e-mails drain: p95, ms": ("p95_ms", "p95_ms", DRAIN),
    "e-mails/s meanwhile": ("emails_per_s_meanwhile", "emails_per_s_meanwhile", DRAIN),
    "e-mails/s, provider 0 ms": ("jobs_per_s", "jobs_per_s", EMAIL),
    "e-mails/s, provider 20 ms": ("jobs_per_s", "jobs_per_s", EMAIL_20),
    "worker CPU s per 1,000 e-mails": ("worker_cpu_s_per_1000", "worker_cpu_s_per_1000", EMAIL_20),
    "enqueued/s, one thread": ("enqueue_one_by_one_per_s", "per_s", (EMAIL_20[0], {"bench": "enqueue", "threads": 1})),
    "enqueued/s, eight threads": (
        "enqueue_one_by_one_per_s",
        "per_s",
        (EMAIL_20[0], {"bench": "enqueue", "threads": 8}),
    ),
}


def run(scale: float) -> None:
    """Print a table with both designs' figures in each round, and the median of the ratios."""
    folder = os.environ.get("PEERS_DIR")
    if not folder or not (Path(folder) / "run_all.sh").is_file():
        print("side_by_side: skipped. Set PEERS_DIR to the folder with the Node.js design's run_all.sh.")
        return
    if missing := [name for name in ("node", "npm") if shutil.which(name) is None]:
        print(f"side_by_side: skipped, because {' and '.join(missing)} cannot be found. Install Node.js 20 or newer.")
        return
    rounds = max(round(ROUNDS * scale), 1)
    with tempfile.TemporaryDirectory(prefix="side-by-side-") as out:
        environment = {
            "BENCHES": "email lookup ingest",
            **os.environ,
            "EXTRA_BENCH": f"cd {ROOT} && {sys.executable} -m bench.contestant",
        }
        command = ["bash", str(Path(folder) / "run_all.sh"), str(rounds), out]
        subprocess.run(command, check=True, env=environment, stdout=sys.stderr)
        results = [_read(path) for path in sorted(Path(out).glob("round-*.jsonl"))]
    header = ["figure", *(f"round {n}: theirs, ours" for n in range(1, len(results) + 1)), "ours / theirs"]
    print_table("this system beside the Node.js design", header, list(table(results)))


def table(rounds: Sequence[Sequence[Result]]) -> Iterable[list[object]]:
    """Yield a row for each figure that was measured: the pair of each round, and the median of the ratios."""
    for name, (their_key, our_key, (theirs, ours)) in FIGURES.items():
        pairs = [(_figure(r, "bullmq", their_key, theirs), _figure(r, "here", our_key, ours)) for r in rounds]
        known = [(one, other) for one, other in pairs if one and other]
        if known:
            cells = [f"{one:,.3g}, {other:,.3g}" if one and other else "" for one, other in pairs]
            yield [name, *cells, f"{median(other / one for one, other in known):.2f}"]


def _figure(results: Sequence[Result], stack: str, key: str, wanted: Result) -> float | None:
    """Return the last figure of a design. A benchmark that other programs disturbed was run again."""
    found = [r[key] for r in results if r.get("stack") == stack and wanted.items() <= r.items() and key in r]
    return float(str(found[-1])) if found else None


def _read(path: Path) -> list[Result]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.startswith("{")]
