"""Settles or releases a delivery's tokens, and records dead letters, depending on the delivery's final state."""

from __future__ import annotations

from collections.abc import Sequence

from notifier.core.db import statement
from notifier.core.states import ACCEPTED_STATES, DEAD_LETTER_STATES, RELEASED_STATES, State
from notifier.deliveries.commits import Cursor


def settle_or_release(cursor: Cursor, ids: Sequence[int], state: State, reason: str | None) -> None:
    """Settle or release the deliveries' tokens, depending on ``state``, and record dead letters for operators."""
    if state in ACCEPTED_STATES:
        # Do not settle calls here. When a call ends, its duration determines how many tokens are settled.
        cursor.execute(
            "SELECT settle_tokens(ARRAY (SELECT id FROM deliveries WHERE id = ANY (%s) AND channel <> 'voice'))",
            (list(ids),),
        )
    elif state in DEAD_LETTER_STATES:
        record_dead_letters(cursor, ids, reason or state.value)
    elif state in RELEASED_STATES:
        cursor.execute("SELECT release_tokens(%s, %s)", (list(ids), reason))


def record_dead_letters(cursor: Cursor, ids: Sequence[int], reason: str) -> None:
    """Release tokens, record a dead letter for each delivery, and notify the subscribers whose calls failed."""
    if ids:
        cursor.execute("SELECT release_tokens(%s, %s)", (list(ids), reason))
        cursor.execute(statement("deliveries/record_dead_letters"), {"ids": list(ids)})
        cursor.execute(statement("deliveries/enqueue_call_failures"), {"ids": list(ids)})
