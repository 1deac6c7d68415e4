"""The settings of the batch side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, NonNegativeFloat, NonNegativeInt, PositiveInt
from pydantic_settings import SettingsConfigDict

from leads.settings import EnvironmentSettings, SharedSettings, setting

_ROOT = Path(__file__).parents[1]


def _web_address(text: str) -> str:
    if text and not text.lower().startswith(("http://", "https://")):
        raise ValueError("set it to an http:// or https:// address")
    return text


class ArchiveSettings(EnvironmentSettings):
    """Settings for the archive of the county's files."""

    model_config = SettingsConfigDict(title="Servers")

    archive_url: str = setting(
        "Address of the archive of the county's files: gs://bucket/folder in production. If unset, docker compose uses "
        "a volume, and make uses a folder under .local.",
        (_ROOT / ".local" / "archive").as_uri(),
        example="gs://bucket/miami_dade_archives",
    )
    storage_emulator_host: str = setting(
        "Address of a storage emulator that replaces Google Cloud Storage in development.",
        "",
        example="http://localhost:4443",
    )


class CountyFileSettings(EnvironmentSettings):
    """Settings that choose which of the county's files are read."""

    model_config = SettingsConfigDict(title="The county's files")

    miami_dade_daily_format: Literal["cases_parties", "official_records"] = setting(
        "Format of the daily feed: cases_parties (Cases.exp and Parties.exp) or official_records (the file with 42 "
        "columns).",
        "cases_parties",
    )
    miami_dade_file_lag_days: NonNegativeInt = setting(
        "How much older the date in a daily file's name is than the run's business date; 1 for the Clerk's own site.",
        0,
        unit="business days",
    )
    miami_dade_max_file_mib: PositiveInt = setting(
        "Maximum size of one unpacked file from the county. A larger file fails its run.",
        2048,
        unit="MiB",
    )
    parcel_roll_url: Annotated[str, AfterValidator(_web_address)] = setting(
        "Address of the county's newest parcel roll, a CSV file. If unset, rolls are read only from the folder named "
        "roll in the archive.",
        "",
        example="https://example.com/parcel_roll.csv",
    )


class IngestionSettings(EnvironmentSettings):
    """Settings for retries, for malformed lines and for the age of announced leads."""

    model_config = SettingsConfigDict(title="Ingestion")

    ingestion_retries: NonNegativeInt | None = setting(
        "Number of times a failed task is retried. If unset, a failed task is retried three times.",
        None,
        example="3",
        unit="retries",
    )
    ingestion_retry_delay_seconds: NonNegativeFloat | None = setting(
        "Time between two tries of a task. If unset, the time that the feed declares is used.",
        None,
        example="300",
        unit="seconds",
    )
    ingestion_connections: PositiveInt | None = setting(
        "Number of database connections that work on a large day's documents at the same time. Set it to the number of "
        "the database server's processor cores. If unset, it is the number of cores of the machine that runs the task.",
        None,
        unit="connections",
        example="4",
    )
    max_rejected_percent: NonNegativeFloat = setting(
        "Share of malformed lines in one file above which the run fails.", 1, unit="percent"
    )
    alert_max_age_days: NonNegativeInt = setting(
        "Leads are announced only if their business date is at most this many business days old.",
        3,
        unit="business days",
    )


class DocumentationSettings(EnvironmentSettings):
    """Settings for the documentation that the DAGs link to."""

    model_config = SettingsConfigDict(title="Documentation")

    docs_url: str = setting(
        "Address of this project's docs folder, for links in the DAGs. If unset, the DAGs show paths without links.",
        "",
        example="https://git.example.com/leads/docs",
    )


class BatchSettings(SharedSettings, ArchiveSettings, CountyFileSettings, IngestionSettings, DocumentationSettings):
    """Every setting that the DAGs and their library read."""


settings = BatchSettings.lazily()
