"""The recipe for a new lead type in docs/recipes.md works."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from county import pipeline
from county.feeds import DAILY
from county.runs import open_run
from leads.sql import statement
from notifier.messages import lead_alerts
from tests.migrations.test_repeatables import folders, migrate
from tests.rows import Rows
from tests.servers.postgres import Database

__all__ = ["folders"]

FRIDAY = date(2026, 11, 20)
MAKE_TAX_LEADS = """
    INSERT INTO leads (property_id, lead_type, lead_source, source_reference, lead_date, business_date, lead_score)
    SELECT id, 'tax_sale', 'daily_ftp', '2026-77', %(day)s, %(day)s, lead_base_score('tax_sale') FROM properties
"""


def test_a_row_in_lead_types_is_enough_to_score_and_announce_a_new_type(
    database: Database, rows: Rows, folders: tuple[Path, Path]
) -> None:
    path = folders[1] / "lead_types.csv"
    path.write_text(path.read_text("utf-8") + "tax_sale,Tax sale,Taxes on the property are unpaid,80,true\n", "utf-8")
    migrate(database, folders)
    user = rows.user(phone_number="+13055550100")
    rows.insert("properties", folio_number="3049010010010", address="1 SW 8 ST", city="Miami")
    database.connection.execute(
        "INSERT INTO subscriber_lead_criteria (subscriber_id, lead_types, min_score, channels)"
        " VALUES (%s, '{tax_sale}', 0, '{email,sms}')",
        (user,),
    )
    run = open_run(database.connection, DAILY, "recipe", FRIDAY)

    database.connection.execute(MAKE_TAX_LEADS, {"day": FRIDAY})
    counts = pipeline.write_alerts(database.connection, run, today=FRIDAY, max_age_days=3)

    assert (counts["leads"], counts["alerts"]) == (1, 2)
    assert rows.all("SELECT kind FROM deliveries ORDER BY kind") == ["new_lead_alert", "urgent_lead_sms"]
    ids = rows.all("SELECT id FROM deliveries WHERE kind = 'new_lead_alert'")
    cursor = database.connection.execute(statement("notifier/channels/compose_lead_messages"), {"ids": ids})
    assert cursor.description is not None
    composed = dict(zip([column.name for column in cursor.description], cursor.fetchone() or (), strict=True))
    assert (composed["lead_type_label"], composed["indicator"], composed["lead_score"]) == (
        "Tax sale",
        "Taxes on the property are unpaid",
        80,
    )
    assert lead_alerts.urgent_sms(composed | {"lead_id": 7}).startswith("Tax sale lead (score 80): 1 SW 8 ST, Miami")
