"""Which statements take the time, and how PostgreSQL runs them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

#: A step that only calls the function whose own statement is listed.
_CALLER = "Function Scan on refresh_properties"
_PLAN = re.compile(r"duration: ([\d.]+) ms  plan:\nQuery Text: (.*)", re.DOTALL)


@dataclass(frozen=True)
class Plan:
    """A statement that was run, with what EXPLAIN (ANALYZE, BUFFERS) says of it."""

    milliseconds: float
    statement: str
    lines: tuple[str, ...]


@contextmanager
def explained(connection: psycopg.Connection, *, at_least: int = 0) -> Iterator[list[Plan]]:
    """Collect the plans of the statements of ``connection``, those inside functions too. Needs a superuser.

    Statements that take less than ``at_least`` milliseconds are left out.
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
    """Prints the ``count`` plans that took longest."""
    for place, plan in enumerate(sorted(plans, key=lambda plan: -plan.milliseconds)[:count], 1):
        print(f"\nslowest statement {place}: {plan.milliseconds / 1000:.2f} s (with the cost of being watched)")
        print(f"  {plan.statement}")
        for line in plan.lines:
            print(f"  {line[:150]}", flush=True)


def _plan(milliseconds: float, lines: list[str]) -> Plan:
    """The statement's first line that is no comment, and the plan, which begins where a cost is told."""
    first = next((n for n, line in enumerate(lines) if "  (cost=" in line), len(lines))
    statement = next((line.strip() for line in lines if line.strip() and not line.startswith("--")), "")
    return Plan(milliseconds, statement, tuple(lines[first:]))
