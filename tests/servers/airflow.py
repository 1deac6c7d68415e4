"""Settings for tests that start Airflow or import it."""

from __future__ import annotations

from pathlib import Path

from local.paths import ROOT


def airflow_folders(home: Path) -> dict[str, str]:
    """Return Airflow settings with this project's DAGs and time zone, and with ``home`` as AIRFLOW_HOME."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "America/New_York",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
