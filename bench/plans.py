"""Find the slowest statements and show their query plans."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

#: Leave out the plan of this call: the statement inside the called function is listed separately.
_CALLER = "Function Scan on refresh_properties"
_PLAN = re.compile(r"duration: ([\d.]+) ms  plan:\nQuery Text: (.*)", re.DOTALL)


@dataclass(frozen=True)
class Plan:
    """A statement and its query plan from EXPLAIN (ANALYZE, BUFFERS)."""

    milliseconds: float
    statement: str
    lines: tuple[str, ...]

    def most_rows(self) -> tuple[int, str]:
        """Return the most rows that one node read or compared, added up across its loops, and the node's line."""
        most, loops = (0, ""), 0
        for line in self.lines:
            if node := re.search(r"rows=(\d+)\S* loops=(\d+)", line.rpartition("actual")[2]):
                loops = int(node[2])
                read = int(node[1]) * loops
            elif removed := re.search(r"Rows Removed by (?:Join |Index )?(?:Filter|Recheck): (\d+)", line):
                read = int(removed[1]) * loops
            else:
                continue
            most = max(most, (read, line.strip()))
        return most


@contextmanager
def explained(connection: psycopg.Connection, *, at_least: int = 0) -> Iterator[list[Plan]]:
    """Yield a list that collects the plans of all statements on ``connection``, including statements inside functions.

    The list leaves out statements that take less than ``at_least`` milliseconds. The database user must be a superuser.
    """
    found: list[Plan] = []

    def keep(message: psycopg.errors.Diagnostic) -> None:
        plan = _PLAN.match(message.message_primary or "")
        if plan and _CALLER not in plan[2]:
            found.append(_plan(float(plan[1]), plan[2].splitlines()))

    connection.add_notice_handler(keep)
    connection.execute("LOAD 'auto_explain'")
    options = {
        "log_min_duration": str(at_least),
        "log_analyze": "on",
        "log_buffers": "on",
        "log_nested_statements": "on",
    }
    for name, value in options.items():
        connection.execute("SELECT set_config(%s, %s, false)", (f"auto_explain.{name}", value))
    connection.execute("SET client_min_messages = log")
    yield found


def print_slowest(plans: list[Plan], count: int) -> None:
    """Print the plans of the ``count`` slowest statements."""
    for place, plan in enumerate(sorted(plans, key=lambda plan: -plan.milliseconds)[:count], 1):
        print(f"\nslowest statement {place}: {plan.milliseconds / 1000:.2f} s (including the cost of EXPLAIN ANALYZE)")
        print(f"  {plan.statement}")
        for line in plan.lines:
            print(f"  {line[:150]}", flush=True)


def _plan(milliseconds: float, lines: list[str]) -> Plan:
    """Split auto_explain's lines into the plan and the statement. Only the statement's first line is kept."""
    first = next((n for n, line in enumerate(lines) if "  (cost=" in line), len(lines))
    statement = next((line.strip() for line in lines if line.strip() and not line.startswith("--")), "")
    return Plan(milliseconds, statement, tuple(lines[first:]))
