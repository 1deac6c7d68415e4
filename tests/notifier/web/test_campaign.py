"""Two workers charge a campaign's calls correctly even if Twilio's callbacks come late and more than once."""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

import notifier
from sandbox.callbacks import Twilio
from tests.notifier.system import System

pytestmark = pytest.mark.drill

CALLS = 16


@pytest.fixture
def campaign(system: System, settings_of_web: pytest.MonkeyPatch) -> int:
    """Add a subscriber and enqueue sixteen calls; return the subscriber's id."""
    settings_of_web.setenv("CALL_WINDOW", "00:00-23:59:59.999999")
    settings_of_web.setenv("CALLS_PER_SECOND", "20")
    user = system.subscriber(tokens=1000, twilio_phone_number="+17865550100")
    script = system.insert(
        "ai_scripts", {"subscriber_id": user, "outbound_greeting": "Hello.", "voicemail_message": "Call back."}
    )
    rows = []
    for n in range(CALLS):
        number = f"+1305555{4000 + n}"
        system.insert("call_consents", {"subscriber_id": user, "phone_number": number})
        lead = system.lead(phone_number=number)
        rows.append({"subscriber_id": user, "lead_id": lead, "script_id": script, "request_id": "spring"})
    notifier.send_many(notifier.campaign_call, rows)
    return user


def play(twilio: Twilio, call: dict[str, Any], dice: random.Random) -> str:
    """Send all callbacks for one call in shuffled order, and repeat some of them; return how the call ended."""
    sid, order = call["made"]["sid"], call["body"]
    if dice.random() < 0.3:
        end = dice.choice(["busy", "no-answer", "failed"])
        twilio.play(order, sid, "initiated", end, "ringing", end)
        return end
    answered_by = dice.choice(["human", "machine_end_beep"])
    twilio.play(order, sid, "answer", AnsweredBy=answered_by)
    words = ["initiated", "ringing", "in-progress", "in-progress"]
    dice.shuffle(words)
    twilio.play(order, sid, *words, AnsweredBy=answered_by)
    twilio.play(order, sid, "completed", "completed", AnsweredBy=answered_by, CallDuration="61")
    twilio.play(order, sid, "ringing")
    return answered_by


def test_a_campaign_calls_five_at_a_time_and_pays_for_connected_calls(
    twilio: Twilio, system: System, campaign: int
) -> None:
    dice, most = random.Random(7), 0
    played: dict[str, str] = {}
    for _ in range(2):
        system.start_worker("voice-assistant")
    deadline = time.monotonic() + 120
    while len(played) < CALLS:
        assert time.monotonic() < deadline, f"{len(played)} of {CALLS} calls were made\n{system.output()[-2000:]}"
        made = [r for r in system.received("twilio") if r["made"] and r["path"].endswith("/Calls.json")]
        waiting = [call for call in made if call["made"]["sid"] not in played]
        most = max(most, len(waiting))
        # Before ending a call, wait until five calls, or all the remaining calls, are in progress.
        if len(waiting) >= min(5, CALLS - len(played)):
            call = dice.choice(waiting)
            played[call["made"]["sid"]] = play(twilio, call, dice)
        time.sleep(0.05)
    query = "SELECT DISTINCT state FROM deliveries WHERE channel = 'voice'"
    over = {("delivered",), ("undelivered",)}
    system.wait_until(lambda: set(system.rows(query)) <= over, "all calls over")
    assert most == 5
    ends = list(played.values())
    humans = ends.count("human")
    connected = humans + ends.count("machine_end_beep")
    assert system.balance(campaign) == 1000 - 20 * connected
    assert system.rows("SELECT status, engagement_count, count(*) FROM leads GROUP BY 1, 2 ORDER BY 1") == [
        ("contacted", 1, humans),
        ("new", 0, CALLS - humans),
    ]
    assert system.value("SELECT count(*) FROM deliveries WHERE kind = 'call_failed'") == ends.count("failed")
    assert "555" not in system.output()
