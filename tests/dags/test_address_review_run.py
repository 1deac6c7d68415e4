"""The DAG ``address_review`` runs in Airflow and makes the leads of accepted addresses."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from leads.business_days import is_business_day, previous_business_day
from leads.clock import local_day, now
from tests.county.days import FOLIO
from tests.dags.conftest import RunAirflow, conf
from tests.servers.postgres import Database


@pytest.mark.timeout(300)
def test_a_run_makes_the_leads_of_accepted_addresses(airflow: RunAirflow, database: Database, tmp_path: Path) -> None:
    today = local_day(now())
    day = today if is_business_day(today) else previous_business_day(today)
    record = wait_for_review(database, day)
    database.connection.execute("SELECT accept_address(%s, %s, 'olga', 'known owner')", (record, FOLIO))
    assert review(airflow, "monthly") == 0
    assert rows(database, "SELECT FROM leads") == [], "the record belongs to another feed"
    assert review(airflow, None) == 0
    assert rows(database, "SELECT lead_type, business_date, status FROM leads") == [("eviction", day, "new")]
    runs = rows(database, "SELECT ingestion_type, ingestion_date, status, new_leads_generated FROM data_ingestion_logs")
    assert runs == [("address_review", day, "success", 0), ("address_review", day, "success", 1)]
    steps = rows(database, "SELECT step FROM ingestion_steps WHERE ended_at >= started_at")
    assert ("merge weekly",) in steps
    assert len(steps) == 4 + 3 * 4


def wait_for_review(database: Database, day: date) -> int:
    """Insert an eviction case whose address matches no property; return the id of its unmatched record."""
    connection = database.connection
    connection.execute("INSERT INTO properties (folio_number, address) VALUES (%s, '1236 SW 8 ST')", (FOLIO,))
    connection.execute(
        "INSERT INTO court_records (record_type, case_number, business_date, entry, filed_on, counterparty_name,"
        " is_disposed, address, is_live)"
        " VALUES ('eviction', '2026-1', %(day)s, 1, %(day)s, 'LANDLORD LARRY', false, '1234 SW 8 ST', true)",
        {"day": day},
    )
    ((record,),) = rows(
        database,
        "INSERT INTO unmatched_records (feed, business_date, source_reference, record_type, address)"
        " SELECT 'weekly', business_date, case_number, record_type, address FROM court_records RETURNING id",
    )
    assert isinstance(record, int)
    return record


def review(airflow: RunAirflow, feed: str | None) -> int:
    return airflow("dags", "test", "address_review", *conf(feed=feed)).returncode


def rows(database: Database, query: str) -> list[tuple[object, ...]]:
    return database.connection.execute(query).fetchall()
