"""The invariants hold for any sequence of sends, refusals, crashes, callbacks and delays."""

from __future__ import annotations

from collections import Counter
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

import notifier
from notifier.actors import drain
from notifier.channels import sms_reconciliation
from notifier.core.errors import OutcomeNotRecorded
from notifier.core.queues import EMAIL, SMS, Queue, kinds_of
from notifier.core.states import ALLOWED, State
from notifier.deliveries import dead_letters, ledger_check, lifecycle, provider_events
from notifier.deliveries.provider_events import Event
from notifier.maintenance.sweep import sweep
from tests.notifier.system import OPEN, System

QUEUES = st.sampled_from([EMAIL, SMS])
PROVIDERS = {EMAIL: "sendgrid", SMS: "twilio"}
#: The ways in which a provider may treat the next request.
ANSWERS = {
    "takes it": None,
    "is busy": {"status": 503},
    "asks to wait": {"status": 429, "headers": {"Retry-After": "3"}},
    "refuses it": {"status": 400, "body": {"code": 21614, "errors": []}},
    "refuses everything": {"status": 401, "body": {"code": 20003}},
    "fails": {"status": 500, "body": {}},
    "takes it and fails": {"status": 500, "body": {}, "accept": True},
    "takes it and says nothing": {"then": "reset", "accept": True},
}
WORDS = {EMAIL: ["processed", "delivered", "bounce", "open"], SMS: ["queued", "sent", "delivered", "undelivered"]}
#: The delays, in minutes, until a delivery is retried, until it is resent, until it is parked, until an SMS expires,
#: and until an e-mail expires.
TIMES = [1, 11, 61, 25 * 60, 73 * 60]
TABLES = (
    "users, properties, leads, deliveries, delivery_events, token_entries, failed_jobs, suppressions, lane_breakers,"
    " kind_breakers, ledger_backlog"
)


#: Record every state change, whichever statement makes it.
WITNESS = """
CREATE TABLE seen_changes (was text, state text);
CREATE FUNCTION see_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO seen_changes VALUES (OLD.state, NEW.state);
    RETURN NULL;
END $$;
CREATE TRIGGER see_change AFTER UPDATE ON deliveries FOR EACH ROW WHEN (OLD.state <> NEW.state)
    EXECUTE FUNCTION see_change();
"""


class Deliveries(RuleBasedStateMachine):
    """A state machine with two subscribers, three leads and two queues. The test sets ``system``."""

    system: System

    def __init__(self) -> None:
        super().__init__()
        self.run(f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE")
        self.system.forget()
        self.users = [self.system.subscriber(tokens=25) for _ in range(2)]
        self.leads = [self.system.lead() for _ in range(3)]
        self.reported = 0
        # Start with a few deliveries, so that the first steps have something to act on.
        for lead in range(2):
            self.enqueue_alerts(lead)

    def enqueue_alerts(self, lead: int) -> None:
        for kind in ("new_lead_alert", "urgent_lead_sms"):
            getattr(notifier, kind).send(self.users[0], self.leads[lead])

    def run(self, query: str, *parameters: Any) -> None:
        self.system.database.connection.execute(query, parameters)

    @rule(kind=st.sampled_from(["new_lead_alert", "urgent_lead_sms"]), user=st.integers(0, 1), lead=st.integers(0, 2))
    def enqueue(self, kind: str, user: int, lead: int) -> None:
        getattr(notifier, kind).send(self.users[user], self.leads[lead])

    @rule(user=st.integers(0, 1), code=st.sampled_from(["111111", "222222"]))
    def ask_for_a_code(self, user: int, code: str) -> None:
        notifier.verification_sms.send(self.users[user], code)

    @rule(queue=QUEUES, answer=st.sampled_from(sorted(ANSWERS)))
    def deliver(self, queue: Queue, answer: str) -> None:
        instruction = ANSWERS[answer]
        if instruction is not None:
            self.system.fault(PROVIDERS[queue], times=1, **instruction)
        drain.drain_queue(queue)
        self.system.heal()

    @rule(queue=QUEUES)
    def die_before_sending(self, queue: Queue) -> None:
        lifecycle.claim(queue, kinds_of(queue))

    @rule(queue=QUEUES)
    def die_after_sending(self, queue: Queue) -> None:
        with mock.patch.object(lifecycle, "accept", side_effect=OutcomeNotRecorded("died")):
            drain.drain_queue(queue)

    @rule(data=st.data(), queue=QUEUES, again=st.booleans())
    def call_back(self, data: st.DataObject, queue: Queue, again: bool) -> None:
        accepted = sorted(self.accepted(queue))
        if not accepted:
            return
        delivery, word = data.draw(st.sampled_from(accepted)), data.draw(st.sampled_from(WORDS[queue]))
        self.reported += not again
        event = Event(word, f"{delivery}:{word}:{self.reported}", delivery, f"id-{delivery}")
        provider_events.store(PROVIDERS[queue], [event, event])
        provider_events.apply()

    @rule(minutes=st.sampled_from(TIMES), swept=st.booleans())
    def wait(self, minutes: int, swept: bool) -> None:
        self.let_time_pass(minutes)
        if swept:
            sweep(self.system.database.connection)

    def let_time_pass(self, minutes: int) -> None:
        """Simulate the passing of time by moving all recorded times back."""
        ago = "make_interval(mins => %s)"
        columns = ("not_before", "due_at", "claimed_at", "accepted_at", "created_at", "updated_at")
        moved = ", ".join(f"{column} = {column} - {ago}" for column in columns)
        self.run(f"UPDATE deliveries SET {moved}", *[minutes] * len(columns))
        for table in ("lane_breakers", "kind_breakers"):
            self.run(f"UPDATE {table} SET next_trial_at = next_trial_at - {ago}", minutes)

    @rule()
    def sweep(self) -> None:
        sweep(self.system.database.connection)

    @rule()
    def ask_the_provider(self) -> None:
        sms_reconciliation.reconcile_sms()

    @rule()
    def replay_the_dead(self) -> None:
        letters = [letter.id for letter in dead_letters.find()]
        if letters:
            dead_letters.replay(letters)

    @rule(user=st.integers(0, 1), tokens=st.integers(1, 20))
    def buy(self, user: int, tokens: int) -> None:
        self.run("UPDATE users SET token_balance = token_balance + %s WHERE id = %s", tokens, self.users[user])

    def accepted(self, queue: Queue) -> Counter[int]:
        return Counter(self.system.accepted_emails() if queue is EMAIL else self.system.accepted_sms())

    @invariant()
    def the_ledger_adds_up(self) -> None:
        assert ledger_check.check(self.system.database.connection) == []
        assert self.system.value("SELECT coalesce(min(token_balance), 0) FROM users") >= 0
        twice = "SELECT delivery_id FROM token_entries WHERE entry = 'settle' GROUP BY 1 HAVING count(*) > 1"
        assert self.system.rows(twice) == []

    @invariant()
    def nothing_is_sent_too_often_and_every_accepted_state_is_true(self) -> None:
        replays = dict(self.system.rows("SELECT id, replays FROM deliveries"))
        emails, sms = self.accepted(EMAIL), self.accepted(SMS)
        for limit, counted in ((2, emails), (1, sms)):
            for delivery, times in counted.items():
                assert times <= limit + replays[delivery], f"{delivery} was accepted {times} times"
        said = "SELECT id FROM deliveries WHERE state IN ('accepted', 'sent', 'delivered', 'undelivered')"
        assert {delivery for (delivery,) in self.system.rows(said)} <= {*emails, *sms}

    @invariant()
    def every_transition_is_allowed(self) -> None:
        seen = {(State(was), State(state)) for was, state in self.system.rows("SELECT DISTINCT * FROM seen_changes")}
        assert [(was, state) for was, state in seen if state not in ALLOWED[was]] == []

    @invariant()
    def no_code_outlives_its_sms(self) -> None:
        kept = "SELECT id FROM deliveries WHERE params ? 'secret' AND state NOT IN ('queued', 'sending')"
        assert self.system.rows(kept) == []

    @invariant()
    def each_dead_delivery_has_one_open_dead_letter(self) -> None:
        dead = self.system.rows("SELECT id FROM deliveries WHERE state IN ('failed', 'dead', 'parked', 'expired')")
        letters = "SELECT delivery_id FROM failed_jobs WHERE state = 'open' ORDER BY 1"
        assert self.system.rows(letters) == sorted(dead)

    def teardown(self) -> None:
        """Check that every delivery reaches a final state after all faults are removed."""
        self.system.heal()
        for _ in range(12):
            if not set(OPEN) & set(self.system.states()):
                break
            for queue in (EMAIL, SMS):
                drain.drain_queue(queue)
            self.let_time_pass(61)
            self.sweep()
        assert not set(OPEN) & set(self.system.states()), self.system.states()
        self.the_ledger_adds_up()
        self.nothing_is_sent_too_often_and_every_accepted_state_is_true()


@pytest.mark.parametrize("examples", [15, pytest.param(80, marks=pytest.mark.drill)])
def test_the_invariants_hold_in_any_order(system: System, monkeypatch: pytest.MonkeyPatch, examples: int) -> None:
    monkeypatch.setenv("NOTIFIER_TIME_SCALE", "1")
    system.database.connection.execute(WITNESS)
    monkeypatch.setattr(Deliveries, "system", system, raising=False)
    run_state_machine_as_test(
        Deliveries,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            derandomize=examples < 20,
            database=None,
            # Do not shrink failing examples. Steps are slow, so shrinking would take minutes.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
