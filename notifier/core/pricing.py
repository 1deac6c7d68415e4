"""What a call may last and what is held for it; what it cost in the end is the SQL function ``call_tokens``."""

from __future__ import annotations

import math

from leads import settings

#: How long a phone rings (s).
RING_SECONDS = 30
CALL_TOKENS = 20
INCLUDED_MINUTES = 3
TOKENS_A_MINUTE = 5


def call_minutes() -> int:
    """The longest call, in minutes (``CALL_MAX_MINUTES``, at least 1)."""
    return max(1, math.ceil(settings.number("CALL_MAX_MINUTES", INCLUDED_MINUTES)))


def longest_seconds() -> int:
    """After so long a call is over, whatever became of its callbacks."""
    return RING_SECONDS + 60 * call_minutes() + 60


def call_hold() -> int:
    """The tokens that are held for a call: what the longest costs."""
    return CALL_TOKENS + TOKENS_A_MINUTE * max(0, call_minutes() - INCLUDED_MINUTES)
