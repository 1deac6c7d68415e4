"""Run Python programs that use Airflow, without spending 15 s of CPU time on starting each program.

One process imports Airflow and builds Airflow's API once, then forks for each program. A fork gets its own environment,
folder and output files. The parent process imports none of this project's modules and opens no connections.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from local.paths import ROOT

#: The Airflow modules that ``airflow dags test`` and this project's tasks import.
PRELOADED = (
    "airflow.__main__",
    "airflow.api.client.local_client",
    "airflow.api_fastapi.execution_api.app",
    "airflow.api_fastapi.execution_api.routes",
    "airflow.cli.commands.dag_command",
    "airflow.dag_processing.dagbag",
    "airflow.models.dagrun",
    "airflow.providers.ftp.hooks.ftp",
    "airflow.providers.google.cloud.hooks.gcs",
    "airflow.providers.postgres.hooks.postgres",
    "airflow.providers.standard.operators.python",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
)


@dataclass(frozen=True)
class AirflowCommands:
    """Runs programs as forks of ``process``."""

    process: subprocess.Popen[str]

    def run(
        self, command: Sequence[str | Path], *, environment: Mapping[str, str], folder: Path, timeout: int
    ) -> subprocess.CompletedProcess[str]:
        """Run a Python program in ``folder``; kill the program after ``timeout`` seconds."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with tempfile.TemporaryDirectory(dir=folder) as output:
            files = [Path(output) / name for name in ("stdout", "stderr")]
            order = {
                "command": [str(part) for part in command],
                "environment": dict(environment),
                "folder": str(folder),
                "output": [str(file) for file in files],
                "timeout": timeout,
            }
            self.process.stdin.write(json.dumps(order) + "\n")
            self.process.stdin.flush()
            code = int(self.process.stdout.readline())
            return subprocess.CompletedProcess(command, code, *(file.read_text("utf-8") for file in files))


@contextmanager
def running_airflow_commands(environment: Mapping[str, str]) -> Iterator[AirflowCommands]:
    """Start a process that imports Airflow with the settings in ``environment``. Yield without waiting for the imports.

    The settings include the metadata database's URL. The process exits when its standard input is closed.
    """
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield AirflowCommands(process)


def main() -> None:
    """Import Airflow, then run each program named on standard input in a fork and print the program's exit code."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for name in PRELOADED:
        import_module(name)
    asyncio.run(_build_api())
    assert threading.active_count() == 1, "the forking process must have only one thread"
    for line in sys.stdin:
        if not (child := os.fork()):
            _become(json.loads(line))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(code, file=answers, flush=True)


async def _build_api() -> None:
    """Send a first request to the API that tasks in ``airflow dags test`` call. The first request builds the API."""
    import httpx

    api = import_module("airflow.sdk.execution_time.supervisor").in_process_api_server()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://api") as client:
        assert (await client.get("/no-such-page")).status_code == 404


def _become(order: dict[str, Any]) -> None:
    """Run the program in this process, then exit."""
    code: object = 1
    try:
        signal.alarm(order["timeout"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, path in enumerate(order["output"], start=1):
            os.dup2(os.open(path, os.O_CREAT | os.O_WRONLY), number)
        os.chdir(order["folder"])
        os.environ.clear()
        os.environ.update(order["environment"])
        sys.argv = order["command"]
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
