"""The batch side's settings, from the environment; read when a step needs them, never at import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

_N = TypeVar("_N", int, float)
_ROOT = Path(__file__).parents[2]


def archive_url() -> str:
    """``ARCHIVE_URL``: where the county's files are kept; by default below this checkout."""
    return os.environ.get("ARCHIVE_URL") or (_ROOT / ".local" / "archive").as_uri()


def daily_format() -> str:
    """``MIAMI_DADE_DAILY_FORMAT``: ``cases_parties`` or ``official_records``."""
    return os.environ.get("MIAMI_DADE_DAILY_FORMAT") or "cases_parties"


def file_lag_days() -> int:
    """``MIAMI_DADE_FILE_LAG_DAYS``: business days between a dated daily file and the date it is for."""
    return _number("MIAMI_DADE_FILE_LAG_DAYS", 0, int)


def max_rejected_percent() -> float:
    """``MAX_REJECTED_PERCENT`` of the lines of a file."""
    return _number("MAX_REJECTED_PERCENT", 1.0, float)


def alert_max_age_days() -> int:
    """``ALERT_MAX_AGE_DAYS``: business days after which a day's leads are announced to nobody."""
    return _number("ALERT_MAX_AGE_DAYS", 3, int)


def retries(default: int) -> int:
    """``INGESTION_RETRIES``: tries of a task after the first; ``default`` is the feed's."""
    return _number("INGESTION_RETRIES", default, int)


def retry_delay_seconds(default: float) -> float:
    """``INGESTION_RETRY_DELAY_SECONDS``; ``default`` is the feed's."""
    return _number("INGESTION_RETRY_DELAY_SECONDS", default, float)


def _number(name: str, default: _N, parse: type[_N]) -> _N:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    try:
        return parse(text)
    except ValueError:
        raise ValueError(f"{name} is {text!r}: set it to a number, or leave it out for {default}") from None
