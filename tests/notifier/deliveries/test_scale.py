"""What waits or is finished costs nothing: no plan of the queue's statements reads more rows as the tables grow."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from psycopg.types.json import Jsonb

from bench import queue_load
from bench.plans import explained
from tests.notifier.system import System

#: A claim of 50 deliveries and the counts of all kinds read fewer rows than this.
ROW_LIMIT = 400
#: Fraction of the benchmark's load: 20,000 finished, 8,000 later, 800 foreign events. The due ones are added below.
SCALE = 0.004


@pytest.fixture
def load(system: System) -> System:
    queue_load.fill(system.database.connection, SCALE)
    system.rows(
        "INSERT INTO deliveries (channel, kind, dedupe_key) SELECT 'email', 'new_lead_alert', 'now:' || n"
        " FROM generate_series(1, 4000) n RETURNING id"
    )
    system.database.connection.execute("SELECT fold_metric_changes()")
    system.database.connection.execute("ANALYZE")
    return system


def reads_few_rows(connection: psycopg.Connection, task: Callable[[psycopg.Connection], object]) -> None:
    with explained(connection) as plans:
        task(connection)
    assert plans, "no statement was seen"
    for plan in plans:
        read, line = plan.most_rows()
        if read > ROW_LIMIT:
            pytest.fail("\n".join([f"{read:,} rows: {line}", plan.statement, *plan.lines]))


def test_each_statement_reads_few_rows(load: System) -> None:
    for name, task in queue_load.tasks().items():
        if name != "claim 500":
            with psycopg.connect(load.database.url, autocommit=True) as connection:
                reads_few_rows(connection, task)


def test_a_claim_reads_what_it_claims(load: System) -> None:
    with psycopg.connect(load.database.url, autocommit=True) as connection:
        reads_few_rows(connection, lambda c: queue_load.claim(c, "email-workflows", 50))


def test_deliveries_that_become_due_are_marked_in_bounded_batches(load: System) -> None:
    load.rows("UPDATE deliveries SET not_before = now() + interval '0.2 s' WHERE state = 'queued' RETURNING id")
    assert load.value("SELECT count(*) FROM deliveries WHERE is_due AND state = 'queued'") == 0
    load.rows("SELECT pg_sleep(0.3)")
    with psycopg.connect(load.database.url, autocommit=True) as connection:
        reads_few_rows(connection, lambda c: c.execute("SELECT mark_due_deliveries(100)"))
    marked = "SELECT kind, count(*) FROM deliveries WHERE is_due AND state = 'queued' GROUP BY kind"
    assert dict(load.rows(marked)) == {"daily_digest": 100, "new_lead_alert": 100}


def test_enqueueing_reads_few_rows_with_plans_that_were_made_for_empty_tables(system: System) -> None:
    users = [system.subscriber(tokens=10_000) for _ in range(20)]

    def enqueue(connection: psycopg.Connection, number: int) -> None:
        request = {
            "kind": "welcome_email",
            "subscriber_id": users[number % 20],
            "dedupe_key": f"k{number}",
            "tokens": 1,
        }
        connection.execute("SELECT * FROM enqueue_deliveries(%s)", (Jsonb([request]),))

    with psycopg.connect(system.database.url, autocommit=True) as connection:
        for number in range(1500):
            enqueue(connection, number)
        reads_few_rows(connection, lambda c: enqueue(c, 1500))
