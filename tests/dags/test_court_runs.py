"""The parcel roll's DAG and the court feeds' DAGs work with ``airflow dags test <dag> <date>``."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from leads.clock import local_day
from local.settings import Sandbox
from tests.county.court import KINDS
from tests.dags.conftest import RunAirflow, conf
from tests.servers.postgres import Database


@pytest.mark.drill
@pytest.mark.timeout(600)
def test_the_roll_becomes_properties_to_which_court_cases_are_matched(
    airflow: RunAirflow, database: Database, sandbox: Sandbox, tmp_path: Path
) -> None:
    day = local_day(datetime.now(UTC))
    # Pass the business date. A manual run ignores a logical date within the last hour, because Airflow's UI may have
    # set it to the time of the click.
    asked = conf(business_date=day.isoformat())
    url = f"{sandbox.url}/parcel_roll.csv"
    roll = airflow("dags", "test", "property_roll", *asked, PARCEL_ROLL_URL=url)
    assert roll.returncode == 0, roll.stderr[-4000:]
    log = "SELECT ingestion_type, ingestion_date, status, new_properties FROM data_ingestion_logs"
    assert database.connection.execute(log).fetchone() == ("property_roll", day, "success", 19_600)
    assert (tmp_path / "archive" / "roll" / day.isoformat() / "parcel_roll.csv").exists()
    court_feed(airflow, database, tmp_path, "weekly", date(2026, 11, 16))
    court_feed(airflow, database, tmp_path, "monthly", date(2026, 11, 1))


def court_feed(airflow: RunAirflow, database: Database, tmp_path: Path, feed: str, day: date) -> None:
    first = airflow("dags", "test", f"{feed}_ftp_ingestion", day.isoformat())
    assert first.returncode == 0, first.stderr[-4000:]
    query = "SELECT ingestion_date, status, error_message FROM data_ingestion_logs WHERE ingestion_type = %s"
    assert database.connection.execute(query, [f"{feed}_ftp"]).fetchall() == [(day, "success", None)]
    assert len(list((tmp_path / "archive" / feed / day.isoformat()).iterdir())) == 2
    for kind in (kind for kind in KINDS if kind.feed == feed):
        counts = f"SELECT count(*) > 40, count(property_id) > 20 FROM {kind.table}"
        assert database.connection.execute(counts).fetchone() == (True, True), kind.table
        leads = database.connection.execute("SELECT count(*) > 20 FROM leads WHERE lead_type = %s", [kind.lead_type])
        assert leads.fetchone() == (True,), kind.lead_type
