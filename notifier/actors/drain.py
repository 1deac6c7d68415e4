"""The drain actors.

A wake-up runs its queue's drain actor, which claims and sends deliveries until no delivery is due.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from threading import Event
from typing import Any

import dramatiq
import psycopg
from dramatiq import Worker
from dramatiq.middleware import Middleware
from structlog.contextvars import bound_contextvars

from leads.logs import get_logger
from leads.redaction import where
from leads.settings import MissingSetting
from notifier.broker import wakeups
from notifier.broker.wakeups import RECONCILE_SMS
from notifier.channels import email, sms, sms_reconciliation
from notifier.core.errors import KindUnavailable, OutcomeNotRecorded, Refused
from notifier.core.queues import EMAIL, SMS, VOICE, Queue, kinds_of
from notifier.deliveries import lifecycle
from notifier.deliveries.lifecycle import Claim
from notifier.voice import outbound, reconciliation

log = get_logger(__name__)

#: How long deliveries wait if a worker cannot reach the database.
PAUSE = timedelta(seconds=1)
#: The maximum number of delivery ids that are logged for a batch.
LOGGED_IDS = 10

#: Maps each delivery kind to the function that sends claimed deliveries of that kind.
SENDERS: Mapping[str, Callable[[Claim], None]] = {
    **{kind.name: partial(email.send, kind) for kind in email.EMAIL_KINDS},
    **{kind.name: partial(sms.send, kind) for kind in sms.SMS_KINDS},
    "outbound_call": outbound.send,
    "campaign_call": outbound.send,
    "inbound_call": reconciliation.complete,
}

#: Set when the worker shuts down. After that, each drain actor finishes its current claim and makes no new claim.
stopping = Event()


class StopDraining(Middleware):
    """Stops each drain actor after its current claim when the worker shuts down."""

    def before_worker_shutdown(self, broker: Any, worker: Worker) -> None:
        """Make each drain actor return after its current claim."""
        stopping.set()


def drain_queue(queue: Queue) -> int:
    """Send deliveries from ``queue`` until no delivery is due or the worker shuts down.

    Returns how many deliveries were claimed. After WAKEUP_SECONDS the worker makes no further claim and wakes the queue
    again. Raises psycopg.OperationalError if the database does not answer when a claim begins.
    """
    claimed = 0
    end = time.monotonic() + wakeups.WAKEUP_SECONDS
    while not stopping.is_set() and (claim := lifecycle.claim(queue, kinds_of(queue))):
        claimed += len(claim.ids)
        _send(claim, queue)
        if time.monotonic() > end:
            wakeups.try_wake([queue])
            break
    if queue is VOICE:
        reconciliation.check_due(wakeups.WAKEUP_SECONDS)
    return claimed


def _send(claim: Claim, queue: Queue) -> None:
    """Send a claim.

    An error in our own code counts as at most one attempt for each delivery. A request that may have succeeded is never
    repeated.
    """
    with bound_contextvars(kind=claim.kind, delivery_ids=claim.ids[:LOGGED_IDS]):
        _send_claim(claim, queue)


def _send_claim(claim: Claim, queue: Queue) -> None:
    try:
        SENDERS[claim.kind](claim)
    except OutcomeNotRecorded as error:
        log.error("outcome_not_recorded", reason=str(error), consequence="the leader marks the deliveries as unknown")
    except psycopg.OperationalError:
        # None of the deliveries caused the error and no request went out, so no attempt is counted against the
        # deliveries.
        lifecycle.defer(claim, claim.ids, "database", pause=PAUSE)
    except MissingSetting as error:
        # Only an operator can correct the settings. Treat the error as if the provider had refused every request of
        # this kind.
        unavailable = KindUnavailable(str(error), code="missing_setting")
        lifecycle.requeue(claim, claim.ids, queue, unavailable, before_request=True)
    except Exception as error:
        log.error("send_failed", error=where(error))
        # Store only the error's type, because the error's text may contain personal data.
        lifecycle.requeue(claim, claim.ids, queue, Refused(type(error).__name__, code="our_error"), before_request=True)


def _drain(queue: Queue) -> None:
    """Drain a queue. Returns early if the database is down. The leader wakes the queue again later."""
    try:
        drain_queue(queue)
    except (psycopg.OperationalError, OutcomeNotRecorded) as error:
        log.warning("database_away", error=type(error).__name__, queue=queue.queue_name)


@dramatiq.actor(queue_name=EMAIL.queue_name, max_retries=0)
def drain_email_workflows() -> None:
    """Send the e-mails that are due."""
    _drain(EMAIL)


@dramatiq.actor(queue_name=SMS.queue_name, max_retries=0)
def drain_sms_notifications() -> None:
    """Send the SMS messages that are due."""
    _drain(SMS)


@dramatiq.actor(queue_name=VOICE.queue_name, max_retries=0)
def drain_voice_assistant() -> None:
    """Start the calls that are due, and ask Twilio about calls that should have ended."""
    _drain(VOICE)


@dramatiq.actor(actor_name=RECONCILE_SMS, queue_name=SMS.queue_name, max_retries=0)
def reconcile_sms() -> None:
    """Ask Twilio about SMS messages whose outcome is unknown."""
    try:
        sms_reconciliation.reconcile_sms(wakeups.WAKEUP_SECONDS)
    except psycopg.OperationalError as error:
        log.warning("database_away", error=type(error).__name__, consequence="Twilio is asked about SMS later")


# Workers from the previous release put these actor names into Redis, and may still do so during an upgrade. The next
# release can remove these names.
dramatiq.actor(actor_name="ring_email_workflows", queue_name=EMAIL.queue_name, max_retries=0)(drain_email_workflows.fn)
dramatiq.actor(actor_name="ring_sms_notifications", queue_name=SMS.queue_name, max_retries=0)(
    drain_sms_notifications.fn
)
dramatiq.actor(actor_name="ring_voice_assistant", queue_name=VOICE.queue_name, max_retries=0)(drain_voice_assistant.fn)
dramatiq.actor(actor_name="reconcile_texts", queue_name=SMS.queue_name, max_retries=0)(reconcile_sms.fn)
