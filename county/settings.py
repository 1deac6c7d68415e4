"""The batch side's settings, from the environment; read when a step needs them, never at import."""

from __future__ import annotations

from pathlib import Path

from leads.settings import number, text

_ROOT = Path(__file__).parents[1]


def archive_url() -> str:
    """``ARCHIVE_URL``: where the county's files are kept; by default below this checkout."""
    return text("ARCHIVE_URL", (_ROOT / ".local" / "archive").as_uri())


def daily_format() -> str:
    """``MIAMI_DADE_DAILY_FORMAT``: ``cases_parties`` or ``official_records``."""
    return text("MIAMI_DADE_DAILY_FORMAT", "cases_parties")


def file_lag_days() -> int:
    """``MIAMI_DADE_FILE_LAG_DAYS``: business days between a dated daily file and the date it is for."""
    return int(number("MIAMI_DADE_FILE_LAG_DAYS", 0))


def max_rejected_percent() -> float:
    """``MAX_REJECTED_PERCENT`` of the lines of a file."""
    return number("MAX_REJECTED_PERCENT", 1)


def alert_max_age_days() -> int:
    """``ALERT_MAX_AGE_DAYS``: business days after which a day's leads are announced to nobody."""
    return int(number("ALERT_MAX_AGE_DAYS", 3))


def retries(default: int) -> int:
    """``INGESTION_RETRIES``: tries of a task after the first; ``default`` is the feed's."""
    return int(number("INGESTION_RETRIES", default))


def retry_delay_seconds(default: float) -> float:
    """``INGESTION_RETRY_DELAY_SECONDS``; ``default`` is the feed's."""
    return number("INGESTION_RETRY_DELAY_SECONDS", default)


def parcel_roll_url() -> str:
    """``PARCEL_ROLL_URL``: where the county shows its newest parcel roll; empty when it is only in the archive."""
    return text("PARCEL_ROLL_URL", "")


def docs_url() -> str:
    """Return ``DOCS_URL``: the address of this project's ``docs/`` folder, which the DAGs link to; empty: no links."""
    return text("DOCS_URL", "")
