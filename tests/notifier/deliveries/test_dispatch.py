"""For every channel, dispatch records the outcomes of provider requests in the same way."""

from __future__ import annotations

from typing import Any

import pytest

import notifier
from leads.settings import MissingSetting
from notifier.core.errors import (
    OutcomeUnknown,
    PermanentFailure,
    ProviderUnavailable,
    Refused,
    Throttled,
    TooLate,
)
from notifier.core.queues import SMS
from notifier.deliveries import lifecycle
from notifier.deliveries.dispatch import dispatch
from notifier.deliveries.lifecycle import SentRecord
from tests.notifier.system import System

NUMBER = "+13055551234"


def dispatched(system: System, request: Any, **options: Any) -> tuple[str, str | None, int]:
    """Dispatch ``request`` for a new delivery; return the delivery's state, error code and attempts."""
    delivery = notifier.urgent_lead_sms.send(system.subscriber(), system.lead()).delivery_id
    claim = lifecycle.claim(SMS, ["urgent_lead_sms"])
    assert claim is not None
    dispatch(claim, SMS, [SentRecord(delivery, NUMBER)], request, **options)
    row: tuple[str, str | None, int]
    (row,) = system.rows("SELECT state, error_code, attempts FROM deliveries WHERE id = %s", delivery)
    return row


def raising(error: Exception) -> Any:
    def request() -> str:
        raise error

    return request


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (PermanentFailure("no", code="21614"), ("failed", "21614", 1)),
        (PermanentFailure("no"), ("failed", "refused", 1)),
        (OutcomeUnknown("?", code="no_answer"), ("unknown", "no_answer", 1)),
        (Refused("later", code="connect"), ("queued", "connect", 1)),
        (TooLate("frozen", code="late"), ("queued", "claim_lost", 0)),
        (Throttled("slower", code="http_429"), ("queued", "http_429", 0)),
        (ProviderUnavailable("closed", code="20003"), ("queued", "20003", 0)),
        (ZeroDivisionError("a number of somebody"), ("unknown", "our_error", 1)),
    ],
)
def test_each_error_has_one_outcome(system: System, error: Exception, outcome: tuple[str, str, int]) -> None:
    assert dispatched(system, raising(error)) == outcome


def test_an_accepted_request_keeps_what_was_sent(system: System) -> None:
    assert dispatched(system, lambda: "SM1") == ("accepted", None, 1)
    assert system.rows("SELECT provider_id, recipient FROM deliveries") == [("SM1", NUMBER)]


def test_a_missing_setting_records_nothing(system: System) -> None:
    with pytest.raises(MissingSetting):
        dispatched(system, raising(MissingSetting("KEY is not set")))
    assert system.states() == {"sending": 1}


def test_a_channel_may_handle_a_permanent_failure_itself(system: System) -> None:
    handled: list[PermanentFailure] = []
    error = PermanentFailure("no", positions={0: "bad"})
    assert dispatched(system, raising(error), on_permanent_failure=handled.append) == ("sending", None, 1)
    assert handled == [error]
