"""Each row in queue_metrics has a queue's current counts, and the number of events since the queue's previous row."""

from __future__ import annotations

from typing import Any

from leads.alert import alert
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
    assert newest(rows, "sms-notifications") == {f"{name}_count": 0 for name in nothing} | {"oldest_age_seconds": None}


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
        "failed_count": 3,
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
