"""The sandbox in `make up` sends callbacks to the web service, so that every delivery reaches a final state."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import pytest

import notifier
from local.settings import Sandbox
from local.web_service import is_healthy, let_sandbox_call_back
from notifier.actors import drain
from notifier.core.queues import EMAIL, SMS, VOICE
from tests.notifier.system import System
from tests.servers.sandbox import running_sandbox

NUMBER = "+13055550177"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """Yield a sandbox that sends callbacks and replaces the sandbox that other tests share."""
    with running_sandbox("--call-back") as running:
        yield running


def test_emails_sms_and_calls_end_as_the_providers_report(
    web: httpx.Client, system: System, sandbox: Sandbox, settings_of_web: pytest.MonkeyPatch
) -> None:
    settings_of_web.setenv("SENDGRID_WEBHOOK_PUBLIC_KEY", sandbox.sendgrid_public_key)
    settings_of_web.setenv("CALL_WINDOW", "00:00-23:59:59.999999")
    let_sandbox_call_back(sandbox, web.base_url.port or 0, os.environ)
    user, lead = system.subscriber(tokens=100, twilio_phone_number="(786) 555-0100"), system.lead(phone_number=NUMBER)
    system.insert("call_consents", {"subscriber_id": user, "phone_number": NUMBER})
    script = system.insert("ai_scripts", {"subscriber_id": user, "name": "Spring", "outbound_greeting": "Hello."})
    notifier.new_lead_alert.send(user, lead)
    notifier.urgent_lead_sms.send(user, lead)
    notifier.outbound_call.send(subscriber_id=user, lead_id=lead, script_id=script, request_id="r1")
    for queue in (EMAIL, SMS, VOICE):
        drain.drain_queue(queue)
    system.wait_until(lambda: system.states() == {"delivered": 3}, "everything delivered")
    assert system.rows("SELECT status, engagement_count FROM leads") == [("contacted", 1)]
    assert system.balance(user) == 100 - 1 - 10 - 20


def test_a_service_without_workers_is_not_healthy(web: httpx.Client) -> None:
    assert not is_healthy(web.base_url.port or 0)
