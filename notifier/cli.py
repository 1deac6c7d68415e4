"""The command line for operators, ``python -m notifier``."""

from __future__ import annotations

import argparse
import json
import os
import pwd
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple
from typing import Any

import psycopg

from leads import database
from leads.settings import MissingSetting
from notifier.core.queues import QUEUES
from notifier.deliveries import dead_letters, ledger_check, pauses
from notifier.deliveries.queue_status import QueueStatus, queue_statuses
from notifier.maintenance import tasks
from notifier.maintenance.sweep import sweep

DESCRIPTION = """Inspect and operate the notifier. All commands need DATABASE_URL. No command needs Redis.

Every delivery is a row in `deliveries`. A delivery that could not be sent also has a row in `failed_jobs`, called a
dead letter. A dead letter stays open until you replay or dismiss it."""

REPLAY = """Try deliveries again, each with a new token hold. A dead letter can be replayed once.

The command refuses a delivery that the provider has accepted or that is too old, a verification code, an inbound call,
and a delivery whose subscriber has too few tokens."""

PAUSE = """Let no worker claim from a queue until you resume it.

Requests that are in progress finish. Deliveries that wait too long expire, and lookups fail after half a minute.
On-call is alerted after an hour."""

RESUME = """Let workers claim from a paused queue again. The leader wakes them within about a second."""

SWEEP = """Do once the work that the leader does every second: expire deliveries that are too old, park or resend
deliveries whose outcome is unknown, and apply the events that providers have sent. Use this while no worker runs."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns 0, or 1 if the command was refused or found a problem.

    Exits with 2 if the arguments are wrong.
    """
    given = _parser().parse_args(arguments)
    try:
        return int(given.run(given))
    except MissingSetting as error:
        print(error, file=sys.stderr)
    except psycopg.OperationalError as error:
        print(f"The leads database does not answer ({type(error).__name__}): check DATABASE_URL", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m notifier", description=DESCRIPTION, formatter_class=raw)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    status = commands.add_parser("status", help="show the deliveries, workers and dead letters of each queue")
    status.set_defaults(run=_status)

    explain = commands.add_parser("explain", help="say why a delivery is where it is, and what happens next")
    explain.add_argument("id", type=int)
    explain.set_defaults(run=_explain)
    for name, run, text in (("pause", _pause, PAUSE), ("resume", _resume, RESUME)):
        command = commands.add_parser(name, help=f"{name} a queue", description=text, formatter_class=raw)
        command.add_argument("queue", choices=sorted(QUEUES))
        command.add_argument("--reason", required=True, metavar="TEXT", help="kept in operator_actions with your name")
        command.set_defaults(run=run)

    letters = commands.add_parser("dead-letters", help="list, show, replay or dismiss dead letters")
    actions = letters.add_subparsers(title="actions", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="list dead letters, newest first")
    listing.add_argument(
        "--state",
        choices=["open", "replayed", "dismissed", "all"],
        default="open",
        help="list only dead letters in this state (default: open)",
    )
    listing.add_argument("--queue", choices=sorted(QUEUES), help="list only dead letters of one queue")
    listing.add_argument("--limit", "--most", type=int, default=50, metavar="N", help="list at most N (default: 50)")
    listing.set_defaults(run=_list)
    show = actions.add_parser("show", help="show a dead letter with its delivery, ledger entries and provider events")
    show.add_argument("id", type=int)
    show.set_defaults(run=_show)
    replay = actions.add_parser(
        "replay", help="try deliveries again, each with a new token hold", description=REPLAY, formatter_class=raw
    )
    replay.add_argument("ids", type=int, nargs="+", metavar="id")
    replay.add_argument("--reason", default=dead_letters.NO_REASON, metavar="TEXT", help="kept in operator_actions")
    replay.set_defaults(run=_replay)
    dismiss = actions.add_parser("dismiss", help="close dead letters that need no further action")
    dismiss.add_argument("ids", type=int, nargs="+", metavar="id")
    dismiss.add_argument("--reason", default=dead_letters.NO_REASON, metavar="TEXT", help="kept in operator_actions")
    dismiss.set_defaults(run=_dismiss)

    ledger = commands.add_parser("ledger", help="check the token ledger")
    checks = ledger.add_subparsers(title="actions", required=True, metavar="ACTION")
    check = checks.add_parser("check", help="compare balances, holds and deliveries; exit with 1 if they disagree")
    check.set_defaults(run=_check)

    sweeping = commands.add_parser(
        "sweep",
        help="do once the work that the leader does every second",
        description=SWEEP,
        formatter_class=raw,
    )
    sweeping.set_defaults(run=_sweep)
    return parser


def _status(given: argparse.Namespace) -> int:
    statuses = queue_statuses(QUEUES)
    heads = (
        *("queue", "due", "later", "sending", "unknown", "parked", "oldest s", "workers", "dead letters", "breaker"),
        "pause",
    )
    values = [[*astuple(status)[: len(heads) - 1], _pause_of(status)] for status in statuses]
    _table(heads, [[str(value if value is not None else "-") for value in line] for line in values])
    idle = [status.queue_name for status in statuses if not status.workers]
    if idle:
        print(f"\nNo worker serves {', '.join(idle)}. Start one: dramatiq notifier")
    return 0


def _explain(given: argparse.Namespace) -> int:
    row = None
    if 0 < given.id < 2**63:
        with database.connect("explain") as connection:
            row = connection.execute("SELECT explain_delivery(%s)", (given.id,)).fetchone()
    if row is None or row[0] is None:
        print(f"There is no delivery {given.id}.", file=sys.stderr)
        return 1
    print(row[0])
    return 0


def _pause_of(status: QueueStatus) -> str:
    """Return who paused the queue, since when and why, in one printable line. Returns "-" if it is not paused."""
    if status.paused_at is None:
        return "-"
    text = f"{status.paused_by} since {status.paused_at:%Y-%m-%d %H:%M %Z}: {status.pause_reason}"
    return "".join(character if character.isprintable() else " " for character in text)


def _pause(given: argparse.Namespace) -> int:
    return _change_pause(given, pauses.pause, "paused", "already paused")


def _resume(given: argparse.Namespace) -> int:
    return _change_pause(given, pauses.resume, "resumed", "not paused")


def _change_pause(given: argparse.Namespace, change: Callable[..., bool], done: str, nothing: str) -> int:
    try:
        is_changed = change(given.queue, actor=_actor(), reason=given.reason)
    except pauses.PauseRefused as error:
        print(f"Refused: {error}.", file=sys.stderr)
        return 1
    print(f"{given.queue} is {done if is_changed else nothing}.")
    return 0


def _actor() -> str:
    """Return the operating system's user as ``operator_actions.actor`` stores it, such as ``cli:ana``."""
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:  # a container may run as a user without a name
        return f"cli:{os.getuid()}"


def _list(given: argparse.Namespace) -> int:
    state = None if given.state == "all" else given.state
    found = dead_letters.find(state=state, queue=given.queue, limit=given.limit)
    if not found:
        print("No dead letters.")
        return 0
    _table(
        ("id", "state", "failed at", "job", "data", "tries", "reason"),
        [
            [
                str(letter.id),
                letter.state,
                f"{letter.failed_at:%Y-%m-%d %H:%M}",
                letter.job_name or "",
                json.dumps(letter.job_data),
                str(letter.retry_count + 1),
                letter.error_message or "",
            ]
            for letter in found
        ],
    )
    return 0


def _show(given: argparse.Namespace) -> int:
    found = dead_letters.details(given.id)
    if found is None:
        print(f"There is no dead letter {given.id}.", file=sys.stderr)
        return 1
    for name, value in asdict(found).items():
        if value is not None:
            print(f"{name:>15}  {_readable(value)}")
    return 0


def _replay(given: argparse.Namespace) -> int:
    outcomes = dead_letters.replay(given.ids, actor=_actor(), reason=given.reason)
    for job_id, outcome in outcomes.items():
        print(f"{job_id}: {outcome}" if outcome == "replayed" else f"{job_id}: refused: {outcome}")
    return 0 if set(outcomes.values()) == {"replayed"} else 1


def _dismiss(given: argparse.Namespace) -> int:
    dismissed = dead_letters.dismiss(given.ids, actor=_actor(), reason=given.reason)
    rest = "" if dismissed == len(given.ids) else " The other dead letters are not open."
    print(f"Dismissed {dismissed} of {len(given.ids)}.{rest}")
    return 0


def _check(given: argparse.Namespace) -> int:
    with database.connect("ledger-check") as connection:
        found = ledger_check.check(connection)
    for finding in found:
        print(f"{finding.subject} {finding.subject_id}: {finding.problem}")
    if found:
        print(f"Problems found: {len(found)}. Correct them with adjust or refund entries.")
    else:
        print("The ledger adds up.")
    return 1 if found else 0


def _sweep(given: argparse.Namespace) -> int:
    with database.connect("sweep") as connection:
        moved = sweep(connection)
        tasks.apply_events(connection)
        tasks.alert_on_parked(connection)
    print(", ".join(f"{count} now {state}" for state, count in moved.items()) or "Nothing to sweep.")
    return 0


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    for line in (heads, *lines):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _readable(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)
