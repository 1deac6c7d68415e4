"""How long a call may last, and how many tokens are held for it.

The price itself is declared once, in the SQL function ``call_tokens``.
"""

from __future__ import annotations

from functools import cache

from notifier.core.db import run
from notifier.core.settings import settings

#: How long (s) a phone rings before the call counts as not answered.
RING_SECONDS = 30


def call_minutes() -> int:
    """Return the length of the longest call, in minutes (``CALL_MAX_MINUTES``, at least 1)."""
    return settings.call_max_minutes


def longest_seconds() -> int:
    """Return the seconds after which a call must be over, even when no callback says so."""
    return RING_SECONDS + 60 * call_minutes() + 60


def call_hold() -> int:
    """Return the tokens to hold for a call: the price of the longest one.

    Asks the database once in the life of a process; raises psycopg.Error when it does not answer.
    """
    return _price(60 * call_minutes())


@cache
def _price(seconds: int) -> int:
    return int(run("core/call_price", seconds=seconds)[0]["tokens"])
