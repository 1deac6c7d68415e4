"""The weekly and the monthly DAG as a data engineer tries them: ``airflow dags test <dag> <date>``."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from sandbox.world import write_parcels
from tests.county.court import KINDS
from tests.dags.conftest import RunAirflow
from tests.services import Database


@pytest.mark.drill
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("feed", "day"), [("weekly", date(2026, 11, 16)), ("monthly", date(2026, 11, 1))])
def test_a_court_feed_becomes_records_and_leads(
    airflow: RunAirflow, database: Database, tmp_path: Path, feed: str, day: date
) -> None:
    load_parcels(database, tmp_path / "parcels.csv")
    first = airflow("dags", "test", f"{feed}_ftp_ingestion", day.isoformat())
    assert first.returncode == 0, first.stderr[-4000:]
    query = "SELECT ingestion_type, ingestion_date, status, error_message FROM data_ingestion_logs ORDER BY id"
    assert database.connection.execute(query).fetchall() == [(f"{feed}_ftp", day, "success", None)]
    assert len(list((tmp_path / "archive" / feed / day.isoformat()).iterdir())) == 2
    for kind in (kind for kind in KINDS if kind.feed == feed):
        counts = f"SELECT count(*) > 40, count(property_id) > 20 FROM {kind.table}"
        assert database.connection.execute(counts).fetchone() == (True, True), kind.table
        leads = database.connection.execute("SELECT count(*) > 20 FROM leads WHERE lead_type = %s", [kind.lead_type])
        assert leads.fetchone() == (True,), kind.lead_type


def load_parcels(database: Database, path: Path) -> None:
    """The parcels of the sandbox's county as known properties, so that addresses find them."""
    write_parcels(path, seed=7)
    with path.open("rb") as rows:
        columns = rows.readline().decode().strip()
        statement = f"COPY properties ({columns}) FROM STDIN (FORMAT csv)"
        with database.connection.cursor().copy(statement) as copy:  # type: ignore[call-overload]
            copy.write(rows.read())
