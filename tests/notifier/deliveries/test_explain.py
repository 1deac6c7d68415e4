"""explain_delivery says why a delivery is where it is, and what happens next."""

from __future__ import annotations

import csv
import re
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import notifier
from local.paths import ROOT
from migrations import HERE
from notifier import cli
from notifier.actors import drain
from notifier.core.queues import EMAIL, SMS, VOICE
from notifier.core.states import State
from notifier.maintenance.sweep import sweep
from tests.notifier.system import System

TIME = r"(?:[A-Z][a-z]{2} \d{1,2}, )?\d\d:\d\d"
with (HERE / "reference" / "delivery_codes.csv").open(encoding="utf-8", newline="") as _rows:
    KNOWN_CODES = {row["code"] for row in csv.DictReader(_rows)}
#: A state, and codes of lookups, which are never in deliveries.error_code.
NO_CODES = {
    "sending",
    "unit_cap",
    "subscriber_unit_cap",
    "too_large",
    "unexpected_records",
    "county_status",
    "county_failed",
}
#: How the code names an error code.
NAMED = (
    r'\bcode="([a-z_-]+)"',
    r"error_code = '([a-z_-]+)'",
    r'(?:Rejection|Objection)\((?:State\.\w+, )?"([a-z_]+)"',
    r'(?:end|defer)\(claim(?:ed)?, [^)]*?"([a-z_]{4,})"',
    r"THEN '((?:codes|caller|subscriber|lines)_[a-z_]+)'",
)


@pytest.fixture(autouse=True)
def a_worker_serves_all_queues(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFIER_TIME_SCALE", "1")
    for queue in (EMAIL, SMS, VOICE):
        change(system, f"INSERT INTO lane_status (process_id, queue_name) VALUES ('worker', '{queue.queue_name}')")


def change(system: System, statement: str) -> None:
    system.database.connection.execute(statement)


def explained(system: System, delivery: int) -> str:
    return str(system.value("SELECT explain_delivery(%s)", delivery))


def email(system: System, **subscriber: Any) -> int:
    return notifier.new_lead_alert.send(system.subscriber(**subscriber), system.lead()).delivery_id


def text(system: System) -> int:
    return notifier.urgent_lead_sms.send(system.subscriber(), system.lead()).delivery_id


def test_a_due_delivery_waits_for_its_turn(system: System) -> None:
    email(system)
    delivery = email(system)
    assert re.fullmatch(
        rf"due since {TIME}\. A worker claims it after 1 delivery that is older or more urgent\."
        rf" It expires at {TIME}\.",
        explained(system, delivery),
    )


def test_a_due_delivery_says_that_no_worker_serves_its_queue(system: System) -> None:
    delivery = email(system)
    change(system, "DELETE FROM lane_status")
    assert "but no worker serves the queue email-workflows. Start one: dramatiq notifier" in explained(system, delivery)


def test_a_paused_queue_says_who_paused_it_and_why(system: System) -> None:
    delivery = email(system)
    change(system, "INSERT INTO lane_pauses VALUES ('email-workflows', 'ana', 'wrong template')")
    assert re.match(
        rf"waits because ana paused the queue email-workflows at {TIME}: wrong template\.", explained(system, delivery)
    )


def test_a_retry_says_which_attempt_comes_when_and_why(system: System) -> None:
    system.fault("sendgrid", status=503)
    delivery = email(system)
    drain.drain_queue(EMAIL)
    assert re.match(
        rf"waits for attempt 2 of 6 at {TIME}, because the provider was unavailable\.", explained(system, delivery)
    )


def test_a_stopped_queue_says_since_when_and_when_it_is_tried(system: System) -> None:
    system.fault("twilio", status=401, body={"code": 20003, "message": "Authenticate", "status": 401})
    delivery = text(system)
    drain.drain_queue(SMS)
    assert re.match(
        rf"waits because the queue sms-notifications is stopped since {TIME}: .+\. Next trial at {TIME}\.",
        explained(system, delivery),
    )


def test_a_call_is_deferred_until_the_window_opens_where_the_lead_lives(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A window that has just closed in Chicago.
    chicago = system.value("SELECT now() AT TIME ZONE 'America/Chicago'")
    opens = (chicago + timedelta(hours=2)).replace(minute=0)
    closes = (opens + timedelta(hours=1)) if opens.hour < 23 else opens.replace(minute=59)
    monkeypatch.setenv("CALL_WINDOW", f"{opens:%H:%M}-{closes:%H:%M}")
    subscriber = system.subscriber(twilio_phone_number="+13055550777")
    lead = system.lead(phone_number="+13125550123")
    script = system.insert("ai_scripts", {"subscriber_id": subscriber, "outbound_greeting": "Hello", "is_active": True})
    system.insert("call_consents", {"subscriber_id": subscriber, "phone_number": "+13125550123"})
    delivery = notifier.outbound_call.send(subscriber, lead, script, "r1").delivery_id
    drain.drain_queue(VOICE)
    assert re.match(
        rf"deferred until {opens:%H:%M}( on [A-Z][a-z]+ \d+)? in Chicago, because the lead's number is there\.",
        explained(system, delivery),
    )


def test_a_later_delivery_says_when_it_is_due(system: System) -> None:
    request = {"args": (system.subscriber(), system.lead()), "delay": timedelta(hours=3)}
    delivery = notifier.new_lead_alert.send_with_options(**request).delivery_id  # type: ignore[arg-type]
    assert re.match(rf"is due at {TIME}, as its sender asked\.", explained(system, delivery))


def test_too_few_tokens_says_what_it_costs_and_what_was_left(system: System) -> None:
    subscriber = system.subscriber(tokens=3)
    delivery = notifier.urgent_lead_sms.send(subscriber, system.lead()).delivery_id
    change(system, "UPDATE users SET token_balance = token_balance + 500")
    assert explained(system, delivery) == "skipped: it costs 10 tokens and 3 tokens were left."


def test_a_suppressed_delivery_says_what_suppressed_it(system: System) -> None:
    delivery = email(system, email="gone@example.test")
    change(
        system, "INSERT INTO suppressions (channel, address, reason) VALUES ('email', 'gone@example.test', 'bounce')"
    )
    drain.drain_queue(EMAIL)
    assert re.fullmatch(
        rf"suppressed at {TIME}, because the recipient must not be contacted: bounce, since {TIME}\.",
        explained(system, delivery),
    )


def test_an_unknown_outcome_says_what_comes_next(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDER_TIMEOUT_SECONDS", "0.3")
    system.fault("twilio", then="hang", seconds=3)
    system.fault("sendgrid", then="hang", seconds=3)
    sms, mail = text(system), email(system)
    drain.drain_queue(SMS)
    drain.drain_queue(EMAIL)
    assert re.fullmatch(
        rf"unknown: Twilio gave no answer at {TIME}, so nobody knows whether it was sent;"
        rf" asked again at {TIME}; parked at {TIME}\.",
        explained(system, sms),
    )
    assert re.search(
        rf"SendGrid gave no answer at {TIME}, .+; sent once more at {TIME} unless SendGrid", explained(system, mail)
    )
    change(system, "UPDATE deliveries SET updated_at = now() - interval '2 hours' WHERE channel = 'sms'")
    sweep(system.database.connection)
    assert re.match(rf"parked at {TIME}, because nobody knows whether it was sent: ", explained(system, sms))


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ("state = 'sending', claimed_at = now(), attempts = 2", rf"being sent since {TIME} \(attempt 2 of 6\)\. .+"),
        ("state = 'accepted', accepted_at = now()", rf"accepted by SendGrid at {TIME}, which has not reported yet .+"),
        ("state = 'sent', accepted_at = now()", r"sent by SendGrid, which has not reported yet .+"),
        ("state = 'delivered'", rf"delivered: SendGrid reported at {TIME} that it arrived\."),
        ("state = 'undelivered', error_code = 'undelivered'", r"undelivered: SendGrid reported .+ did not arrive.*\."),
        ("state = 'dead', attempts = 6, error_code = 'http_503'", rf"dead since {TIME}: all 6 attempts failed, .+"),
        ("state = 'failed', error_code = 'invalid_email'", rf"failed at {TIME}, because the subscriber's e-mail .+"),
        ("state = 'failed', error_code = 'x9', error_message = E'a\\n\\tb'", rf"failed at {TIME}, because a b\."),
        ("state = 'skipped', error_code = 'daily_cap'", rf"skipped at {TIME}, because the subscriber's limit .+"),
        ("state = 'expired', error_code = 'too_old'", rf"expired at {TIME}: it was not sent within 72 hours of .+"),
        ("state = 'cancelled', error_code = 'lead_closed'", rf"cancelled at {TIME}, because the lead was closed\."),
        (
            "state = 'cancelled', error_code = 'operator', error_message = 'sold'",
            rf"cancelled by an operator at {TIME}: sold\.",
        ),
        (
            "error_code = 'operator', error_message = 'call first', not_before = now() + interval '2 days'",
            rf"deferred by an operator until {TIME}: call first\. It expires at {TIME}\.",
        ),
        (
            "error_code = 'database', not_before = now() + interval '1 hour'",
            rf"deferred until {TIME}, because the worker lost the connection .+",
        ),
        ("state = 'delivered', emptied_at = now()", r".+ Its recipient and text were archived and removed on .+\."),
    ],
)
def test_each_state_has_its_sentence(system: System, columns: str, sentence: str) -> None:
    delivery = email(system)
    change(system, f"UPDATE deliveries SET {columns}")
    assert re.fullmatch(sentence, explained(system, delivery)), explained(system, delivery)


@pytest.mark.parametrize("kind", ["new_lead_alert", "urgent_lead_sms", "outbound_call", "inbound_call"])
def test_every_state_of_every_channel_is_explained_without_personal_data(system: System, kind: str) -> None:
    subscriber = system.subscriber(email="secret@example.test", phone_number="+13055559999")
    for state in State:
        values = {"channel": "email", "kind": kind, "dedupe_key": state.value, "state": state.value}
        delivery = system.insert("deliveries", values | {"subscriber_id": subscriber})
        change(system, "UPDATE deliveries d SET channel = k.channel FROM delivery_kinds k WHERE k.kind = d.kind")
        sentence = explained(system, delivery)
        assert sentence.endswith(".") and len(sentence) > 20, state
        assert "secret" not in sentence and "9999" not in sentence, state


def test_the_command_line_prints_the_sentence(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    delivery = email(system)
    assert cli.main(["explain", str(delivery)]) == 0
    assert capsys.readouterr().out == explained(system, delivery) + "\n"
    assert cli.main(["explain", "999"]) == 1
    assert capsys.readouterr().err == "There is no delivery 999.\n"


def test_each_code_in_the_notifier_has_a_meaning() -> None:
    sources = [path for suffix in ("py", "sql") for path in (ROOT / "notifier").rglob(f"*.{suffix}")]
    used = {code for path in sources for pattern in NAMED for code in re.findall(pattern, _text(path), re.DOTALL)}
    assert {"daily_cap", "no_consent", "too_old", "connect", "lines_busy", "claim_lost"} <= used
    assert used - NO_CODES - KNOWN_CODES == set()


def _text(path: Path) -> str:
    return path.read_text("utf-8")


@pytest.mark.parametrize(
    ("due", "sentence"),
    [
        ("now()", "More than 1,000 deliveries of its kind are older or more urgent"),
        ("now() + interval '1 day'", "A worker claims it after what it is sending now"),
    ],
)
def test_a_sentence_costs_little_behind_many_others(system: System, due: str, sentence: str) -> None:
    many = f"SELECT 'email', 'new_lead_alert', 'many:' || n, {due}, 100 FROM generate_series(1, 50000) n"
    change(system, f"INSERT INTO deliveries (channel, kind, dedupe_key, not_before, priority) {many}")
    change(system, "VACUUM ANALYZE deliveries")
    last = email(system)
    explained(system, last)
    began = time.monotonic()
    assert sentence in explained(system, last)
    assert time.monotonic() - began < 0.05


def test_a_text_from_outside_stays_on_one_short_line(system: System) -> None:
    delivery = email(system)
    long = "x\n" * 5000
    change(system, "UPDATE deliveries SET not_before = now() + interval '1 hour'")
    cases = [("failed", long), ("failed", None), ("cancelled", "operator"), ("queued", "outside_call_window")]
    for state, code in cases:
        system.database.connection.execute(
            "UPDATE deliveries SET state = %s, error_code = %s, error_message = %s", (state, code, long)
        )
        sentence = explained(system, delivery)
        assert "\n" not in sentence and len(sentence) < 400, sentence


def test_an_id_beyond_bigint_is_no_delivery(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "9" * 30]) == 1
    assert "There is no delivery 999" in capsys.readouterr().err
