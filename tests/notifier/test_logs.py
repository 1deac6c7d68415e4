"""All lines in a worker's log have one format and contain the ids of the message and the deliveries."""

from __future__ import annotations

import json
from itertools import dropwhile
from typing import Any
from uuid import uuid4

import pytest
from structlog.contextvars import get_contextvars, merge_contextvars
from structlog.testing import capture_logs

import notifier
from notifier.actors import drain
from notifier.core.errors import OutcomeNotRecorded
from notifier.core.queues import EMAIL
from notifier.deliveries.lifecycle import Claim
from tests.notifier.system import System


def lines(system: System) -> list[dict[str, Any]]:
    """Return the lines that the worker process has logged since it imported the notifier.

    Lines from before the import and from Dramatiq's main process are left out, because they have Dramatiq's own format.
    """
    written = [line for line in system.output().splitlines() if "dramatiq.MainProcess" not in line]
    return [json.loads(line) for line in dropwhile(lambda line: not line.startswith("{"), written)]


def test_every_log_line_of_a_worker_is_json_and_names_the_current_message(system: System) -> None:
    system.start_worker(EMAIL.queue_name, "--verbose")
    system.outcome(notifier.welcome_email.send(system.subscriber()))
    system.wait_until(lambda: "Completed after" in system.output(), "the end of the message")
    system.stop()
    bound = [line for line in lines(system) if "message_id" in line]
    assert bound
    assert {(line["queue"], line["actor"]) for line in bound} == {(EMAIL.queue_name, "drain_email_workflows")}
    unbound = [line["event"] for line in lines(system) if "message_id" not in line]
    assert any("boot" in event or "ready" in event for event in unbound), "Dramatiq's own lines have no message id"


def test_a_malformed_setting_is_reported_when_a_worker_starts(system: System) -> None:
    system.start_worker(EMAIL.queue_name, CALL_WINDOW="always", DATABASE_URL="")
    system.wait_until(lambda: "setting_malformed" in system.output(), "the report")
    (line,) = [line for line in lines(system) if line["event"] == "setting_malformed"]
    assert line["problem"].startswith("CALL_WINDOW is 'always': set it to")


def test_the_deliveries_of_a_claim_are_on_every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(claim: Claim) -> None:
        raise OutcomeNotRecorded("the database was away")

    monkeypatch.setattr(drain, "SENDERS", {"welcome_email": fail})
    with capture_logs(processors=[merge_contextvars]) as events:
        drain._send(Claim(uuid4(), "welcome_email", tuple(range(1, 21))), EMAIL)
    assert [(event["event"], event["kind"], event["delivery_ids"]) for event in events] == [
        ("outcome_not_recorded", "welcome_email", tuple(range(1, 11)))
    ]
    assert get_contextvars() == {}, "the ids are not bound for the next claim"
