"""Prometheus metrics are computed from the database and contain no personal data."""

from __future__ import annotations

import re
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import notifier
from notifier.core.errors import OutcomeUnknown
from notifier.core.queues import EMAIL, QUEUES, SMS
from notifier.deliveries import ledger_check, lifecycle
from notifier.deliveries.lifecycle import SentRecord
from notifier.web.metrics import BOUNDS, COLLECTOR, METRICS
from tests.notifier.system import System

Samples = dict[tuple[str, ...], float]


def measured(web: httpx.Client) -> Samples:
    """Return a mapping from each metric's name and label values to the metric's value. A bucket's bound comes last."""
    COLLECTOR.source.clear()
    answer = web.get("/metrics")
    assert answer.status_code == 200
    assert "example.test" not in answer.text and "+1305" not in answer.text
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels, key="le".__eq__))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_an_empty_system_has_every_metric(web: httpx.Client, system: System) -> None:
    found = measured(web)
    assert found[("notifier_units_used",)] == 0
    assert found[("notifier_units_cap",)] == 500
    assert found[("notifier_ledger_drift",)] == 0
    for queue in QUEUES:
        assert found[("notifier_queue_due", queue)] == 0
        assert found[("notifier_lane_processes", queue)] == 0
        assert found[("notifier_queue_paused", queue)] == 0


def test_deliveries_waits_and_problems_are_counted(web: httpx.Client, system: System) -> None:
    change = system.database.connection.execute
    user = system.subscriber()
    sent, open_one = (notifier.new_lead_alert.send(user, system.lead()).delivery_id for _ in range(2))
    text = notifier.urgent_lead_sms.send(user, system.lead()).delivery_id
    due = "due_at = now() - interval '3 s', not_before = now() - interval '3 s'"
    change(f"UPDATE deliveries SET {due}, created_at = now() - interval '2 days'")
    change("UPDATE deliveries SET not_before = now() + interval '1 hour' WHERE id = %s", (open_one,))
    claimed = lifecycle.claim(EMAIL, ["new_lead_alert"])
    assert claimed is not None and claimed.ids == (sent,)
    lifecycle.accept(claimed, EMAIL, [SentRecord(sent, "a@example.test")], "msg1")
    claimed = lifecycle.claim(SMS, ["urgent_lead_sms"])
    assert claimed is not None
    lifecycle.mark_unknown(claimed, [SentRecord(text, "+13055550199")], OutcomeUnknown("no answer", code="no_answer"))
    change("INSERT INTO failed_jobs (queue_name) VALUES ('sms-notifications')")
    change("INSERT INTO lane_breakers (queue_name, next_trial_at) VALUES ('email-workflows', now())")
    change("INSERT INTO kind_breakers (kind, next_trial_at) VALUES ('daily_digest', now())")
    change("INSERT INTO lane_status (process_id, queue_name) VALUES ('a:1', 'email-workflows')")
    change("INSERT INTO api_unit_budget (day, used, cap) VALUES (new_york_day(now()), 12, 400)")
    change(
        "INSERT INTO delivery_events (delivery_id, provider, event, event_key, occurred_at)"
        " VALUES (%s, 'sendgrid', 'delivered', 'e', now() - interval '4 s')",
        (sent,),
    )
    found = measured(web)
    alert = ("email", "new_lead_alert")
    assert found[("notifier_deliveries_total", *alert, "queued")] == 2
    assert found[("notifier_deliveries_total", *alert, "accepted")] == 1
    assert found[("notifier_open_deliveries", *alert, "later")] == 1, "open deliveries count whatever their age"
    assert ("notifier_open_deliveries", *alert, "due") not in found or not found[
        ("notifier_open_deliveries", *alert, "due")
    ]
    assert found[("notifier_open_deliveries", "sms", "urgent_lead_sms", "unknown")] == 1
    assert found[("notifier_wait_seconds_bucket", *alert, "2.5")] == 0
    assert found[("notifier_wait_seconds_bucket", *alert, "5.0")] == 1
    assert found[("notifier_wait_seconds_bucket", *alert, "+Inf")] == 1
    assert found[("notifier_wait_seconds_count", *alert)] == 1
    assert 3 <= found[("notifier_wait_seconds_sum", *alert)] < 5
    assert found[("notifier_send_seconds_bucket", *alert, "30.0")] == 1
    assert found[("notifier_callback_lag_seconds_bucket", "sendgrid", "2.5")] == 0
    assert found[("notifier_callback_lag_seconds_bucket", "sendgrid", "5.0")] == 1
    assert found[("notifier_dead_letters_open", "sms-notifications")] == 1
    assert found[("notifier_breaker_open", "email-workflows")] == 1
    assert found[("notifier_breaker_open", "sms-notifications")] == 0
    assert found[("notifier_kind_breaker_open", "daily_digest")] == 1
    assert found[("notifier_lane_processes", "email-workflows")] == 1
    assert (found[("notifier_units_used",)], found[("notifier_units_cap",)]) == (12, 400)
    assert found[("notifier_open_holds",)] == 2
    assert found[("notifier_events_waiting",)] == 1
    assert {re.sub("_(total|bucket|sum|count|created)$", "", name) for name, *_ in found} <= set(METRICS)


def test_the_age_of_a_queue_is_that_of_its_oldest_due_delivery(web: httpx.Client, system: System) -> None:
    notifier.urgent_lead_sms.send(system.subscriber(), system.lead())
    system.database.connection.execute("UPDATE deliveries SET not_before = now() - interval '90 s'")
    system.database.connection.execute(
        "INSERT INTO lookups (folio_number, state, expires_at, created_at, finished_at) VALUES"
        " ('0141230070060', 'queued', now(), now(), NULL),"
        " ('0141230070061', 'asking', now(), now() - interval '3 s', NULL)"
    )
    system.database.connection.execute(
        "UPDATE lookups SET state = 'answered', finished_at = now() WHERE state = 'asking'"
    )
    found = measured(web)
    assert found[("notifier_queue_due", "api-property-lookup")] == 1
    assert found[("notifier_lookup_seconds_bucket", "answered", "2.5")] == 0
    assert found[("notifier_lookup_seconds_bucket", "answered", "5.0")] == 1
    assert found[("notifier_queue_due", "sms-notifications")] == 1
    assert 90 <= found[("notifier_queue_oldest_age_seconds", "sms-notifications")] < 150


def test_a_paused_queue_is_a_one(web: httpx.Client, system: System) -> None:
    system.rows("SELECT pause_queue('voice-assistant', 'cli:pat', 'maintenance')")
    found = measured(web)
    assert [queue for queue in QUEUES if found[("notifier_queue_paused", queue)]] == ["voice-assistant"]


def test_a_ledger_that_does_not_add_up_is_visible(web: httpx.Client, system: System) -> None:
    system.subscriber(tokens=5)
    with system.database.connection.transaction():
        system.database.connection.execute("SET LOCAL session_replication_role = replica")
        system.database.connection.execute("UPDATE users SET token_balance = 6")
    assert measured(web)[("notifier_ledger_drift",)] == 0
    ledger_check.watch(system.database.connection)
    assert measured(web)[("notifier_ledger_drift",)] == 1


def test_concurrent_requests_share_one_query(web: httpx.Client, system: System) -> None:
    measured(web)
    system.database.connection.execute("INSERT INTO failed_jobs (queue_name) VALUES ('x')")
    begin = time.monotonic()
    answers = [web.get("/metrics").text for _ in range(5)]
    if time.monotonic() - begin < 0.8:
        assert not any('queue="x"' in answer for answer in answers)


def test_the_database_down_is_a_503(web: httpx.Client, settings_of_web: pytest.MonkeyPatch) -> None:
    from notifier.core import db

    settings_of_web.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    db.close()
    assert web.get("/metrics").status_code == 503


def test_the_bounds_of_the_buckets_are_those_of_the_database(system: System) -> None:
    numbers = [float(bound) for bound in BOUNDS[:-1]]
    between = [0.0, *(number * 1.01 for number in numbers)]
    found = system.rows("SELECT histogram_bound(seconds) FROM unnest(%s::float8[]) AS seconds", between)
    assert [bound for (bound,) in found] == list(BOUNDS)
