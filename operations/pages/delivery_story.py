"""The story of one delivery: everything that happened to it, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from psycopg.rows import DictRow

from leads.clock import now
from operations.pages import database
from operations.pages.rendering import duration, new_york

#: At most this many rows of each table are shown.
LIMIT = 200
#: Name of each provider, as it writes the name itself.
PROVIDERS = {"sendgrid": "SendGrid", "twilio": "Twilio", "notifier": "The leader"}
#: The provider of each channel.
CHANNEL_PROVIDERS = {"email": "SendGrid", "sms": "Twilio", "voice": "Twilio"}
#: Outcome of an attempt → how urgent it is, and what happened.
OUTCOMES = {
    "accepted": ("good", "{provider} accepted it"),
    "queued": ("warn", "nothing was sent, to be tried again"),
    "deferred": ("", "deferred before anything was sent"),
    "unknown": ("warn", "the outcome is not known"),
    "failed": ("bad", "refused for good"),
    "dead": ("bad", "not sent, and its retries are used up"),
    "skipped": ("", "skipped: the subscriber is not eligible"),
    "suppressed": ("", "not sent: the recipient has opted out"),
    "cancelled": ("", "cancelled: its reason no longer exists"),
}
#: The states that a delivery can reach without an attempt, with how urgent each is, and what happened.
ENDS = {
    "skipped": ("", "Skipped"),
    "cancelled": ("", "Cancelled"),
    "suppressed": ("", "Not sent: the recipient has opted out"),
    "expired": ("warn", "Expired: it was too old to be of use"),
    "parked": ("warn", "Parked: an operator decides"),
    "failed": ("bad", "Failed"),
    "dead": ("bad", "Not sent, and its retries are used up"),
}
#: Entry of the ledger → what happened to the tokens.
ENTRIES = {"hold": "held", "settle": "spent", "release": "released", "refund": "refunded"}
#: An operator's action → what the operator did. Each row whose state did not allow the action was refused.
ACTIONS = {
    "reveal": "looked at the recipient and the message",
    "retry": "asked for a retry",
    "send_now": "asked to send it now",
    "defer": "asked to defer it",
    "cancel": "asked to cancel it",
    "dismiss": "asked to dismiss its dead letter",
}
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Step:
    """Something that happened to a delivery, or that will happen next.

    ``source`` says who did it: notifier, worker, provider, ledger or operator. ``level`` is good, warn, bad, next or
    empty. ``code`` is an error code. ``details`` are short texts; ``said`` is a longer text that somebody wrote.
    """

    at: datetime
    source: str
    title: str
    level: str = ""
    code: str | None = None
    details: tuple[str, ...] = ()
    said: str | None = None
    link: str | None = None
    order: datetime | None = None
    """The time by which the story is sorted, if it is not ``at``."""


@dataclass(frozen=True)
class Story:
    """The steps of a delivery, oldest first. If ``is_cut`` is true, older steps are missing."""

    steps: list[Step]
    is_cut: bool


def read_story(connection: database.Connection, delivery: DictRow) -> Story:
    """Return the story of a row of ``sql/delivery.sql``."""
    found = {
        name: database.rows(connection, f"delivery_{name}", id=delivery["id"], limit=LIMIT)
        for name in ("attempts", "events", "entries", "letters")
    }
    actions = database.rows(connection, "delivery_actions", id=delivery["id"], limit=LIMIT)
    steps = [
        *_own_steps(delivery, found["attempts"]),
        *_attempts(delivery, found["attempts"]),
        *map(_event, found["events"]),
        *map(_entry, found["entries"]),
        *map(_letter, found["letters"]),
        *map(_action, actions),
    ]
    is_cut = any(len(rows) == LIMIT for rows in (*found.values(), actions))
    return Story(sorted(steps, key=lambda step: (step.level == "next", step.order or step.at)), is_cut)


def _own_steps(delivery: DictRow, attempts: list[DictRow]) -> Iterator[Step]:
    """Yield what the delivery's own row says: how it began, how it ended if no attempt ended it, and what is next."""
    yield Step(delivery["created_at"], "notifier", "Enqueued")
    if not attempts:
        yield from _forgotten_attempts(delivery)
    state = delivery["state"]
    if state in ENDS and state not in {row["outcome"] for row in attempts}:
        level, title = ENDS[state]
        yield Step(delivery["updated_at"], "notifier", title, level, delivery["code"], said=delivery["error"])
    if state == "sending" and delivery["claimed_at"]:
        title = f"Attempt {delivery['attempts']} is in progress"
        yield Step(delivery["claimed_at"], "worker", title, "next")
    if state == "queued":
        title = "Due again" if attempts and delivery["not_before"] > now() else "Due"
        yield Step(delivery["not_before"], "notifier", title, "next")
    if state in ("parked", "accepted", "sent", "unknown") and delivery["check_at"]:
        provider = CHANNEL_PROVIDERS[delivery["channel"]]
        yield Step(delivery["check_at"], "notifier", f"{provider} is asked what became of it", "next")


def _forgotten_attempts(delivery: DictRow) -> Iterator[Step]:
    """Yield what the row of an old delivery still says about its attempts, which the retention job has deleted."""
    provider = CHANNEL_PROVIDERS[delivery["channel"]]
    if delivery["accepted_at"]:
        details = (f"id {delivery['provider_id']}",) if delivery["provider_id"] else ()
        yield Step(delivery["accepted_at"], "worker", f"{provider} accepted it", "good", details=details)
    elif delivery["claimed_at"] and delivery["state"] != "sending":
        yield Step(delivery["claimed_at"], "worker", "A worker claimed it")


def _attempts(delivery: DictRow, rows: list[DictRow]) -> Iterator[Step]:
    """Yield the attempts. Deferrals in a row for the same reason, such as those of a call that waits, are one step."""
    for (outcome, _), group in groupby(reversed(rows), key=lambda row: (row["outcome"], row["code"])):
        same = list(group)
        if outcome == "deferred" and len(same) > 1:
            times = f"{len(same)} times since {new_york(same[0]['ended_at'])}"
            yield replace(_attempt(delivery, same[-1]), details=(times,))
        else:
            yield from (_attempt(delivery, row) for row in same)


def _attempt(delivery: DictRow, row: DictRow) -> Step:
    level, what = OUTCOMES.get(row["outcome"], ("", row["outcome"]))
    details = []
    if row["started_at"]:
        details.append(f"took {duration(row['ended_at'] - row['started_at'])}")
        waited = row["started_at"] - row["due_at"] if row["due_at"] else timedelta()
        if waited > _SECOND:
            details.append(f"waited {duration(waited)}")
    if row["provider_id"] and row["outcome"] == "accepted":
        details.append(f"id {row['provider_id']}")
    title = f"Attempt {row['attempt']}: {what.format(provider=CHANNEL_PROVIDERS[delivery['channel']])}"
    return Step(row["ended_at"], "worker", title, level, row["code"], tuple(details), _meaning(row))


def _event(row: DictRow) -> Step:
    at = row["occurred_at"] or row["received_at"]
    details = []
    if row["seconds"]:
        details.append(f"call of {row['seconds']} s")
    if row["received_at"] - at > timedelta(minutes=1):
        details.append(f"reported {duration(row['received_at'] - at)} later")
    if row["applied_at"] is None:
        details.append("not applied yet")
    if row["suppresses"]:
        details.append("the address is now suppressed")
    level = {"delivered": "good", "undelivered": "bad"}.get(row["state"] or "", "")
    title = f"{PROVIDERS.get(row['provider'], row['provider'])} reported: {row['event']}"
    # Providers' times have no fractions of a second, so an event may seem to be older than its request.
    order = min(at + _SECOND, row["received_at"]) if at.microsecond == 0 else at
    level = "bad" if row["suppresses"] else level
    return Step(at, "provider", title, level, row["code"], tuple(details), _meaning(row), order=order)


def _meaning(row: DictRow) -> str | None:
    return f"because {row['meaning']}" if row["meaning"] else None


def _entry(row: DictRow) -> Step:
    tokens = f"{row['tokens']:,} token{'' if row['tokens'] == 1 else 's'}"
    return Step(row["created_at"], "ledger", f"{tokens} {ENTRIES.get(row['entry'], row['entry'])}", said=row["reason"])


def _letter(row: DictRow) -> Step:
    title, link = f"Dead letter {row['id']} ({row['state']})", f"dead-letters/{row['id']}"
    level = "bad" if row["state"] == "open" else ""
    return Step(row["failed_at"], "notifier", title, level, said=row["error"], link=link)


def _action(row: DictRow) -> Step:
    title = f"{row['actor']} {ACTIONS.get(row['action'], row['action'])}"
    details = _action_details(row)
    return Step(
        row["created_at"], "operator", title, "", None, tuple(details), f"“{row['reason']}”", f"actions/{row['id']}"
    )


def _action_details(row: DictRow) -> Iterable[str]:
    if row["rows"] > 1:
        yield f"with {row['rows'] - 1:,} other{'' if row['rows'] == 2 else 's'}"
    elif row["state"] == "done" and not row["changed"]:
        yield f"refused: {', '.join(row['refusals'])}" if row["refusals"] else "nothing was changed"
    if row["state"] != "done":
        yield str(row["state"])
