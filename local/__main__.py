"""``python -m local demo | up | migrate | clean`` does the work of the make target with the same name."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from local import airflow, keys, settings
from local.checkout_lock import AlreadyRunning, hold, running_stack
from local.clean import clean
from local.demo import run_demo
from local.environment_file import read_environment_file
from local.paths import ForeignFile, Paths
from local.ports import LOOPBACK
from local.processes import ServiceDied, end_with_parent, last_lines
from local.progress import Failure, Interrupted, Progress
from local.stack import DATABASES, Stack, clear_leftovers, start_postgres


def main() -> int:
    """Run one command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("command", choices=["demo", "up", "migrate", "clean"])
    command = str(parser.parse_args().command)
    progress = Progress()
    progress.listen()
    # Stop this process when `make` dies, because `make` cannot forward SIGKILL.
    end_with_parent(signal.SIGTERM)
    commands: dict[str, Callable[[Progress], None]] = {"demo": demo, "up": up, "migrate": migrate, "clean": clean_up}
    try:
        commands[command](progress)
    except Interrupted as interrupted:
        progress.say(f"stopped by {interrupted}")
        return 128 + interrupted.signum
    except (ServiceDied, Failure, ForeignFile, AlreadyRunning) as error:
        _complain(progress, command, error)
        return 1
    except Exception as error:  # Report which step failed, because a traceback would not name the step.
        _complain(progress, command, Failure(f"{type(error).__name__}: {error}", _keep_trace()))
        return 1
    return 0


def demo(progress: Progress) -> None:
    """Run the demo, then stop all its processes, even after an error."""
    places = Paths(profile="demo")
    places.prepare()
    with hold(places):
        clear_leftovers(places, progress)
        stack = Stack(places, progress)
        try:
            run_demo(places, progress, stack)
        finally:
            _stop(stack)
    progress.say("demo: done, everything is stopped")


def up(progress: Progress) -> None:
    """Start all services and keep them running until a signal arrives or a service dies."""
    places = Paths()
    places.prepare()
    with hold(places):
        clear_leftovers(places, progress)
        stack = Stack(places, progress)
        try:
            stack.start()
            _welcome(stack)
            while True:
                stack.pause(1.0)
        except Interrupted:
            progress.show()
        finally:
            _stop(stack)
            places.environment_file.unlink(missing_ok=True)
    progress.say("everything is stopped")


def migrate(progress: Progress) -> None:
    """Migrate the database at DATABASE_URL.

    If DATABASE_URL is not set, migrate the running stack's database. If no stack is running, start the local
    PostgreSQL, migrate the database of `make up`, and stop PostgreSQL.
    """
    places = Paths()
    places.prepare()
    url = settings.own_server("DATABASE_URL")
    if url is None and running_stack(places) is not None:
        url = read_environment_file(places).get("DATABASE_URL")
    if url is not None:
        _migrate(places, progress, url)
        return
    with hold(places):
        clear_leftovers(places, progress)
        server = start_postgres(places, keys.load_keys(places.keys))
        try:
            name = DATABASES["up"][0]
            server.ensure_database(name)
            _migrate(places, progress, server.url(name))
        finally:
            server.stop()


def clean_up(progress: Progress) -> None:
    """Remove all local state."""
    clean(Paths(), progress)


def _migrate(places: Paths, progress: Progress, url: str) -> None:
    stack = Stack(places, progress)
    with progress.step("migrations"):
        environment = settings.inherited(places) | {"DATABASE_URL": url}
        job = stack.begin_job("migrations", ["-m", "migrations", "upgrade"], environment)
        try:
            stack.finish_job(job, 600)
        finally:
            stack.stop()
    progress.say("the leads database has the newest schema")


def _welcome(stack: Stack) -> None:
    show = stack.progress.show
    show(f"\n  Airflow        {stack.ports.url}")
    for user, role in airflow.USERS.items():
        show(f"  login          {user} / {stack.keys[f'airflow_{user}_password']}   ({role})")
    show(f"  web service    http://{LOOPBACK}:{stack.web_port}   (callbacks, /api, /unsubscribe, /health, /metrics)")
    show(f"  sandbox        {stack.sandbox.url}/_sandbox/counts, FTP on port {stack.sandbox.ftp_port}")
    show("  settings       source .local/env    (then airflow, psql and dramatiq work in that terminal)")
    show("  logs           .local/log")
    show("  stop           Ctrl-C\n")


def _stop(stack: Stack) -> None:
    stack.progress.say("stopping …")
    stack.stop()


def _complain(progress: Progress, command: str, error: Exception) -> None:
    reason = str(error) or type(error).__name__
    lines = [f"make {command}: FAILED at step “{progress.current}”: {reason}"]
    log = getattr(error, "log", None)
    if log is not None:
        lines.append(f"  see the log: {_short(str(log))}")
        if isinstance(error, ServiceDied):
            lines += [f"  | {line}" for line in last_lines(error.log)]
    progress.complain("\n".join(lines))


def _keep_trace() -> Path:
    log = Paths().log / "stack.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(traceback.format_exc(), "utf-8")
    return log


def _short(path: str) -> str:
    return os.path.relpath(path) if path.startswith(str(Paths().root)) else path


if __name__ == "__main__":
    sys.exit(main())
