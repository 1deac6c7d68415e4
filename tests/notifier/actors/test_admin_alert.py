"""A worker can read the app's alerts, including alerts that the previous release sent."""

from __future__ import annotations

import json

import pytest

import notifier
from notifier.core import encryption
from tests.notifier.system import SECRET_KEY, System

TEXTS = {"subject": "Refund", "message": "Jane Roe waits", "action_required": "Call her"}


@pytest.mark.parametrize("argument", ["encrypted", "sealed"])
def test_an_alert_is_decrypted_under_its_present_and_its_previous_argument(system: System, argument: str) -> None:
    words = {argument: encryption.encrypt("alerts", json.dumps(TEXTS))}
    notifier.admin_alert("warning", **words)
    (received,) = system.received("oncall")
    assert all(text in str(received["body"]) for text in TEXTS.values())


def test_an_alert_under_another_key_still_reaches_on_call(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    encrypted = encryption.encrypt("alerts", json.dumps(TEXTS))
    monkeypatch.setenv("NOTIFIER_SECRET_KEY", SECRET_KEY.replace("c2Vj", "c2Vk"))
    notifier.admin_alert("warning", encrypted=encrypted)
    (received,) = system.received("oncall")
    assert "cannot be decrypted" in str(received["body"])
    assert "Jane Roe" not in str(received["body"])


def test_wrong_arguments_are_refused_before_anything_is_sent(system: System) -> None:
    with pytest.raises(TypeError):
        notifier.admin_alert.send("warning", subject="no message")
    assert system.received("oncall") == []
