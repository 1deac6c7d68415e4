"""The longest duration of a call, and the number of tokens to hold for a call.

The price of a call is defined only in the SQL function ``call_tokens``.
"""

from __future__ import annotations

from functools import cache

from notifier.core.db import run
from notifier.core.settings import settings

#: How many seconds a phone rings before the call counts as not answered.
RING_SECONDS = 30


def call_minutes() -> int:
    """Return the longest duration of a call in minutes (``CALL_MAX_MINUTES``, at least 1)."""
    return settings.call_max_minutes


def longest_seconds() -> int:
    """Return the number of seconds after which a call must be over, even if no callback reported its end."""
    return RING_SECONDS + 60 * call_minutes() + 60


def call_hold() -> int:
    """Return the number of tokens to hold for a call: the price of the longest possible call.

    Queries the database once per process. Raises psycopg.Error if the database does not answer.
    """
    return _price(60 * call_minutes())


@cache
def _price(seconds: int) -> int:
    return int(run("core/call_price", seconds=seconds)[0]["tokens"])
