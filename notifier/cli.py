"""What an operator needs from a shell: ``python -m notifier``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import psycopg

from leads import database, settings
from notifier.core.db import rows, transaction
from notifier.core.queues import QUEUES
from notifier.deliveries import dead_letters, ledger_check

DESCRIPTION = """Look after the notifier. Needs DATABASE_URL; nothing here needs Redis.

Every message is a row of `deliveries`; what died for good is a row of `failed_jobs`, a dead letter, which waits here
until somebody replays or dismisses it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0, 1 when something was refused or does not add up, 2 for wrong use."""
    given = _parser().parse_args(arguments)
    try:
        return int(given.run(given))
    except settings.MissingSetting as error:
        print(error, file=sys.stderr)
    except psycopg.OperationalError as error:
        print(f"The leads database does not answer ({type(error).__name__}): check DATABASE_URL", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m notifier", description=DESCRIPTION, formatter_class=raw)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    status = commands.add_parser("status", help="what waits in each lane, who works there, what needs a human")
    status.set_defaults(run=_status)

    letters = commands.add_parser("dead-letters", help="list, show, replay or dismiss what died for good")
    actions = letters.add_subparsers(title="actions", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the newest ones, open ones only unless --state says otherwise")
    listing.add_argument("--state", choices=["open", "replayed", "dismissed", "all"], default="open")
    listing.add_argument("--queue", choices=sorted(QUEUES), help="only those of one lane")
    listing.add_argument("--limit", "--most", type=int, default=50, metavar="N", help="at most N (default 50)")
    listing.set_defaults(run=_list)
    show = actions.add_parser("show", help="everything about one: its delivery, ledger entries, provider's events")
    show.add_argument("id", type=int)
    show.set_defaults(run=_show)
    replay = actions.add_parser(
        "replay",
        help="try the same delivery again, with a new token hold",
        description="Tries deliveries again. Refused for what the provider has accepted, for what is too old, for"
        " verification codes and inbound calls, and when the subscriber has too few tokens. Works once for each.",
    )
    replay.add_argument("ids", type=int, nargs="+", metavar="id")
    replay.set_defaults(run=_replay)
    dismiss = actions.add_parser("dismiss", help="close them: somebody has looked, nothing is to be done")
    dismiss.add_argument("ids", type=int, nargs="+", metavar="id")
    dismiss.set_defaults(run=_dismiss)

    books = commands.add_parser("ledger", help="the token ledger")
    checks = books.add_subparsers(title="actions", required=True, metavar="ACTION")
    check = checks.add_parser("check", help="whether balances, holds and deliveries add up; exit code 1 if not")
    check.set_defaults(run=_check)

    sweep = commands.add_parser(
        "sweep",
        help="do once what the sweeper does each second: expire, give up on, resend, apply what providers told",
    )
    sweep.set_defaults(run=_sweep)
    return parser


def _status(given: argparse.Namespace) -> int:
    with transaction() as cursor:
        queues = rows(cursor, "deliveries/status", queues=sorted(QUEUES))
    heads = ("lane", "due", "later", "sending", "unknown", "parked", "oldest s", "workers", "dead letters", "breaker")
    _table(heads, [[str(value if value is not None else "-") for value in queue.values()] for queue in queues])
    idle = [queue["queue_name"] for queue in queues if not queue["workers"]]
    if idle:
        print(f"\nNobody works on: {', '.join(idle)} (start `dramatiq notifier`)")
    return 0


def _list(given: argparse.Namespace) -> int:
    state = None if given.state == "all" else given.state
    found = dead_letters.listed(state=state, queue=given.queue, limit=given.limit)
    if not found:
        print("No dead letters.")
        return 0
    _table(
        ("id", "state", "failed at", "job", "data", "tries", "why"),
        [
            [
                str(row["id"]),
                row["state"],
                f"{row['failed_at']:%Y-%m-%d %H:%M}",
                row["job_name"] or "",
                json.dumps(row["job_data"]),
                str(row["retry_count"] + 1),
                row["error_message"] or "",
            ]
            for row in found
        ],
    )
    return 0


def _show(given: argparse.Namespace) -> int:
    found = dead_letters.shown(given.id)
    if found is None:
        print(f"There is no dead letter {given.id}.", file=sys.stderr)
        return 1
    for name, value in found.items():
        if value is not None:
            print(f"{name:>15}  {_readable(value)}")
    return 0


def _replay(given: argparse.Namespace) -> int:
    outcomes = dead_letters.replay(given.ids)
    for job_id, outcome in outcomes.items():
        print(f"{job_id}: {outcome}" if outcome == "replayed" else f"{job_id}: refused, {outcome}")
    return 0 if set(outcomes.values()) == {"replayed"} else 1


def _dismiss(given: argparse.Namespace) -> int:
    print(f"{dead_letters.dismiss(given.ids)} of {len(given.ids)} dismissed; the others were not open.")
    return 0


def _check(given: argparse.Namespace) -> int:
    with database.connect("ledger-check") as connection:
        found = ledger_check.check(connection)
    for finding in found:
        print(f"{finding.subject} {finding.subject_id}: {finding.problem}")
    print("The ledger adds up." if not found else f"{len(found)} findings: correct them with adjust or refund entries.")
    return 1 if found else 0


def _sweep(given: argparse.Namespace) -> int:
    from notifier.maintenance import leader  # it brings the whole notifier with it

    with database.connect("sweep") as connection:
        moved = leader.sweep(connection)
        leader.apply_events(connection)
        leader.tell_of_parked(connection)
    print(", ".join(f"{count} now {state}" for state, count in moved.items()) or "Nothing to sweep.")
    return 0


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    for line in (heads, *lines):
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _readable(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)
