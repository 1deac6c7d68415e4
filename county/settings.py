"""The settings of the batch side."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import NonNegativeFloat, NonNegativeInt
from pydantic_settings import SettingsConfigDict

from leads.settings import EnvironmentSettings, SharedSettings, setting

_ROOT = Path(__file__).parents[1]


class ArchiveSettings(EnvironmentSettings):
    """Where the county's files are kept."""

    model_config = SettingsConfigDict(title="Servers")

    archive_url: str = setting(
        "Where the county's files are kept: gs://bucket/folder in production. Unset, docker compose uses a volume, and "
        "make a folder under .local.",
        (_ROOT / ".local" / "archive").as_uri(),
        example="gs://bucket/miami_dade_archives",
    )
    storage_emulator_host: str = setting(
        "A storage emulator instead of Google Cloud Storage, for development.",
        "",
        example="http://localhost:4443",
    )


class CountyFileSettings(EnvironmentSettings):
    """Which files of the county are read."""

    model_config = SettingsConfigDict(title="The county's files")

    miami_dade_daily_format: Literal["cases_parties", "official_records"] = setting(
        "What the daily feed reads: cases_parties (Cases.exp and Parties.exp) or official_records (the file of 42 "
        "columns).",
        "cases_parties",
    )
    miami_dade_file_lag_days: NonNegativeInt = setting(
        "By how much a dated daily file is older than the run that reads it; 1 for the Clerk's own site.",
        0,
        unit="business days",
    )
    parcel_roll_url: str = setting(
        "Address of the county's newest parcel roll, a CSV file. Unset, rolls are read only from the folder roll of "
        "the archive.",
        "",
        example="https://example.com/parcel_roll.csv",
    )


class IngestionSettings(EnvironmentSettings):
    """How strict and how patient the ingestion is."""

    model_config = SettingsConfigDict(title="Ingestion")

    ingestion_retries: NonNegativeInt | None = setting(
        "How often a task is tried again; unset, as often as its feed says.", None, example="3", unit="retries"
    )
    ingestion_retry_delay_seconds: NonNegativeFloat | None = setting(
        "Time between two tries of a task; unset, what its feed says.", None, example="300", unit="seconds"
    )
    max_rejected_percent: NonNegativeFloat = setting(
        "Share of malformed lines in one file above which the run fails.", 1, unit="percent"
    )
    alert_max_age_days: NonNegativeInt = setting(
        "Age of a business day from which on its leads are announced to nobody.", 3, unit="business days"
    )


class DocumentationSettings(EnvironmentSettings):
    """What the DAGs link to."""

    model_config = SettingsConfigDict(title="Documentation")

    docs_url: str = setting(
        "Address of this project's docs folder, which the DAGs link to. Unset, they name the pages without a link.",
        "",
        example="https://git.example.com/leads/docs",
    )


class BatchSettings(SharedSettings, ArchiveSettings, CountyFileSettings, IngestionSettings, DocumentationSettings):
    """Every setting that the DAGs and their library read."""


settings = BatchSettings.lazily()
