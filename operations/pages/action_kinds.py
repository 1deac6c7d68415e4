"""The actions that operators can take on deliveries and dead letters, and how the pages name them."""

from __future__ import annotations

from dataclasses import dataclass

from operations.pages.filters import BadFilter

NOUNS = {"delivery": ("delivery", "deliveries"), "dead_letter": ("dead letter", "dead letters")}


@dataclass(frozen=True)
class ActionKind:
    """An action on one type of object.

    ``states`` are the states that the action can change. ``meaning`` tells the operator what the action does.
    """

    object_type: str
    action: str
    verb: str
    past: str
    states: tuple[str, ...]
    meaning: str
    is_final: bool = False

    @property
    def path(self) -> str:
        """The path of the page that lists the action's objects."""
        return "deliveries" if self.object_type == "delivery" else "dead-letters"

    def objects(self, count: int) -> str:
        """Return a number of objects in words, such as ``1,204 dead letters``."""
        one, many = NOUNS[self.object_type]
        return f"{count:,} {one if count == 1 else many}"


_REFUSALS = (
    "A delivery that is too old, or whose subscriber has too few tokens, is refused and counted with the action."
)

KINDS = (
    ActionKind(
        "delivery", "retry", "Retry", "Retried", ("failed", "dead", "parked"),
        "Each delivery is queued again, with a new hold of its tokens. Nothing that a provider has accepted is sent"
        f" again. {_REFUSALS}",
    ),
    ActionKind(
        "delivery", "send_now", "Send now", "Sent now", ("queued",),
        "Each queued delivery that waits for a later time becomes due now. Workers still check consent, call windows,"
        " preferences and limits before they send.",
    ),
    ActionKind(
        "delivery", "defer", "Defer", "Deferred", ("queued",),
        "Each queued delivery waits until the time below. A delivery that would be too old by then is refused and"
        " counted with the action.",
    ),
    ActionKind(
        "delivery", "cancel", "Cancel", "Canceled", ("queued",),
        "Each queued delivery ends without being sent, and its tokens go back to the subscriber. This cannot be"
        " undone.",
        is_final=True,
    ),
    ActionKind(
        "dead_letter", "retry", "Retry", "Retried", ("open",),
        "The delivery of each dead letter is queued again, with a new hold of its tokens. Nothing that a provider has"
        f" accepted is sent again. {_REFUSALS}",
    ),
    ActionKind(
        "dead_letter", "dismiss", "Dismiss", "Dismissed", ("open",),
        "Each dead letter is closed without another attempt. This cannot be undone.",
        is_final=True,
    ),
)  # fmt: skip


def find_kind(object_type: str, action: str) -> ActionKind:
    """Return the kind of an action; raise BadFilter if there is no such action."""
    for kind in KINDS:
        if (kind.object_type, kind.action) == (object_type, action):
            return kind
    raise BadFilter("There is no such action.")


def kinds_for(object_type: str, state: str) -> list[ActionKind]:
    """Return the actions that can change an object in a state."""
    return [kind for kind in KINDS if kind.object_type == object_type and state in kind.states]
