"""Each row in queue_metrics has a queue's current counts, and the number of events since the queue's previous row."""

from __future__ import annotations

from typing import Any

from leads.alert import alert
from leads.sql import statement
from notifier.core.queues import QUEUES
from operations.monitoring import queue_metrics
from operations.monitoring.queue_metrics import record_queue_metrics
from tests.rows import Rows
from tests.servers.mailbox import Mailbox


def newest(rows: Rows, queue: str) -> dict[str, Any]:
    return dict(
        rows.one(
            "SELECT to_jsonb(m) - 'id' - 'queue_name' - 'recorded_at' FROM queue_metrics m WHERE queue_name = %(queue)s"
            " ORDER BY recorded_at DESC LIMIT 1",
            queue=queue,
        )
    )


def test_every_queue_of_the_notifier_gets_a_row(rows: Rows) -> None:
    assert set(queue_metrics.QUEUES) == set(QUEUES)
    assert record_queue_metrics(rows.database.connection) == 5
    assert set(rows.all("SELECT queue_name FROM queue_metrics")) == set(QUEUES)
    nothing = dict.fromkeys(("waiting", "active", "delayed", "completed", "failed", "dead"), 0)
    assert newest(rows, "sms-notifications") == {f"{name}_count": 0 for name in nothing} | {
        "oldest_age_seconds": None, "wait_p50_seconds": None, "wait_p95_seconds": None
    }  # fmt: skip


def delivery(rows: Rows, state: str, *, kind: str = "new_lead_alert", since: str = "0", **values: Any) -> int:
    number = rows.one("SELECT count(*) FROM deliveries")
    channel = "sms" if kind.endswith("sms") else "email"
    made = rows.insert("deliveries", channel=channel, kind=kind, state=state, dedupe_key=f"k{number}", **values)
    rows.database.connection.execute(
        "UPDATE deliveries SET not_before = now() - %s::interval WHERE id = %s", (since, made)
    )
    return made


def test_waiting_active_delayed_and_dead_deliveries_are_counted(rows: Rows) -> None:
    for state, since in [("queued", "90 s"), ("queued", "10 s"), ("queued", "-1 h"), ("sending", "0"), ("failed", "0")]:
        delivery(rows, state, since=since)
    delivery(rows, "queued", kind="urgent_lead_sms", since="5 s")
    for state in ("open", "open", "dismissed"):
        rows.insert("failed_jobs", queue_name="email-workflows", state=state)
    record_queue_metrics(rows.database.connection)
    mail = newest(rows, "email-workflows")
    assert 90 <= mail.pop("oldest_age_seconds") < 120
    assert mail == {
        "waiting_count": 2, "delayed_count": 1, "active_count": 1, "dead_count": 2, "completed_count": 0,
        "failed_count": 3, "wait_p50_seconds": None, "wait_p95_seconds": None,
    }  # fmt: skip
    assert newest(rows, "sms-notifications")["waiting_count"] == 1


def test_finished_deliveries_are_counted_once_however_often_rows_are_written(rows: Rows) -> None:
    record_queue_metrics(rows.database.connection)
    for _ in range(3):
        rows.database.connection.execute(
            "UPDATE deliveries SET accepted_at = clock_timestamp() WHERE id = %s", (delivery(rows, "accepted"),)
        )
    rows.insert("failed_jobs", queue_name="email-workflows")
    rows.database.connection.execute(
        "INSERT INTO lookups (folio_number, state, expires_at, finished_at)"
        " VALUES ('3049000000001', 'answered', now(), clock_timestamp())"
    )
    record_queue_metrics(rows.database.connection)
    record_queue_metrics(rows.database.connection)
    done = rows.all(
        "SELECT completed_count, failed_count, dead_count FROM queue_metrics"
        " WHERE queue_name = 'email-workflows' ORDER BY id"
    )
    assert done == [(0, 0, 0), (3, 1, 1), (0, 0, 1)]
    assert sum(rows.all("SELECT completed_count FROM queue_metrics WHERE queue_name = 'api-property-lookup'")) == 1


def test_waiting_and_active_lookups_are_counted(rows: Rows) -> None:
    for n, (state, wait) in enumerate([("queued", -60), ("queued", 60), ("asking", 0), ("failed", 0)]):
        rows.database.connection.execute(
            "INSERT INTO lookups (folio_number, state, expires_at, not_before)"
            " VALUES (%s, %s, now(), now() + make_interval(secs => %s))",
            (f"{n:013}", state, wait),
        )
    record_queue_metrics(rows.database.connection)
    lookups = newest(rows, "api-property-lookup")
    assert 60 <= lookups["oldest_age_seconds"] < 90
    assert (lookups["waiting_count"], lookups["delayed_count"], lookups["active_count"]) == (1, 1, 1)


def test_a_sent_alert_counts_as_completed(rows: Rows, mailbox: Mailbox) -> None:
    record_queue_metrics(rows.database.connection)
    alert("warning", "the disk is full", "of pg1", "make room")
    alert("warning", "the disk is full", "of pg1", "make room")  # An alert that is repeated within an hour is not sent.
    rows.insert("oncall_alerts", fingerprint="not sent yet")
    record_queue_metrics(rows.database.connection)
    record_queue_metrics(rows.database.connection)
    done = "SELECT completed_count FROM queue_metrics WHERE queue_name = 'admin-alerts' ORDER BY id"
    assert rows.all(done) == [0, 1, 0]


def test_active_alerts_are_counted_from_the_heartbeats_of_living_workers(rows: Rows) -> None:
    rows.database.connection.execute(
        "INSERT INTO lane_status (process_id, queue_name, active, heartbeat_at) VALUES"
        " ('a', 'admin-alerts', 2, now()), ('b', 'admin-alerts', 1, now()),"
        " ('dead', 'admin-alerts', 9, now() - interval '1 hour')"
    )
    record_queue_metrics(rows.database.connection)
    assert newest(rows, "admin-alerts")["active_count"] == 3


def attempt(rows: Rows, wait: float | None, *, kind: str = "new_lead_alert", attempt: int = 1) -> None:
    """Insert an attempt that began ``wait`` seconds after it was due, or a deferral without a start."""
    rows.database.connection.execute(
        "INSERT INTO delivery_attempts (delivery_id, attempt, due_at, started_at, ended_at, outcome)"
        " VALUES (%s, %s, now() - make_interval(secs => %s), CASE WHEN %s THEN now() END, clock_timestamp(), 'x')",
        (delivery(rows, "accepted", kind=kind), attempt, wait or 0, wait is not None),
    )


def waits(rows: Rows, queue: str) -> tuple[float | None, float | None]:
    found = newest(rows, queue)
    return found["wait_p50_seconds"], found["wait_p95_seconds"]


def test_the_waits_of_attempts_since_the_previous_row_are_measured_for_each_queue(rows: Rows) -> None:
    attempt(rows, 500)
    record_queue_metrics(rows.database.connection)
    assert waits(rows, "email-workflows") == (500, 500)
    for seconds in range(1, 102):
        attempt(rows, seconds, attempt=1 + seconds % 3)
    attempt(rows, None)
    attempt(rows, 7, kind="urgent_lead_sms")
    record_queue_metrics(rows.database.connection)
    assert waits(rows, "email-workflows") == (51, 96)
    assert waits(rows, "sms-notifications") == (7, 7)
    assert waits(rows, "voice-assistant") == (None, None)
    record_queue_metrics(rows.database.connection)
    assert waits(rows, "email-workflows") == (None, None), "each attempt is measured once"


def test_a_deferral_and_its_later_claim_do_not_count_as_a_wait(rows: Rows) -> None:
    """A trigger records when each claim was due, so the time until a deferred delivery is due again is no wait."""
    change = rows.database.connection.execute
    made = delivery(rows, "queued", since="3 s", due_at="2026-01-01")
    claim = "UPDATE deliveries SET state = 'sending', attempts = 1, claimed_at = now() WHERE id = %s"
    change(claim, (made,))
    change("UPDATE deliveries SET state = 'queued', attempts = 0, not_before = now() - interval '1 s'")
    change(claim, (made,))
    change("UPDATE deliveries SET state = 'accepted'")
    record_queue_metrics(rows.database.connection)
    median, high = waits(rows, "email-workflows")
    assert median is not None and high is not None
    assert 1 <= median < 3 <= round(high + 0.2) < 10


def test_the_waits_of_lookups_are_measured_until_the_worker_asks(rows: Rows) -> None:
    asked = "INSERT INTO lookups (folio_number, state, attempts, expires_at, not_before, asked_at) VALUES"
    rows.database.connection.execute(
        f"{asked} ('3049000000001', 'answered', 1, now(), now() - interval '4 s', now()),"
        " ('3049000000002', 'asking', 2, now(), now() + interval '0.1 s', now()),"
        " ('3049000000003', 'queued', 1, now(), now() + interval '8 s', now()),"
        " ('3049000000004', 'answered', 1, now(), now() - interval '9 h', now() - interval '1 h'),"
        " ('3049000000005', 'failed', 0, now(), now() - interval '9 h', now())"
    )
    record_queue_metrics(rows.database.connection)
    assert waits(rows, "api-property-lookup") == (2, 3.8)


def test_no_statement_reads_all_deliveries_or_attempts(rows: Rows) -> None:
    """With many finished deliveries, the plan uses indexes, so that the statement stays fast as the tables grow."""
    change = rows.database.connection.execute
    change(
        "INSERT INTO deliveries (channel, kind, dedupe_key, state, accepted_at)"
        " SELECT 'email', 'new_lead_alert', 'k' || n, 'delivered', now() - n * interval '1 min'"
        " FROM generate_series(1, 20000) n"
    )
    change(
        "INSERT INTO delivery_attempts (delivery_id, attempt, ended_at, outcome)"
        " SELECT n, 1, now() - n * interval '1 min', 'accepted' FROM generate_series(1, 20000) n"
    )
    change("ANALYZE deliveries, delivery_attempts")
    query = statement("operations/monitoring/queue_metrics")
    plan = "\n".join(line for (line,) in change("EXPLAIN " + query, {"queues": list(QUEUES)}))
    assert "Seq Scan on deliver" not in plan.replace("Seq Scan on delivery_kinds", ""), plan
