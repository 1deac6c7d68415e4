"""The recipe for a new feed in docs/recipes.md works."""

from __future__ import annotations

from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import pytest

from county import feeds, layouts, pipeline, runs
from county.archive import Archive, open_archive
from county.feed import Feed, FeedFile, Period, Target
from county.fetch import FetchRequest, fetch_file, files_to_fetch
from county.ftp import CountyFtp
from county.staging import stage_file
from leads.clock import NEW_YORK
from operations.monitoring.freshness import missing_days
from tests.migrations.test_repeatables import edit, folders, migrate
from tests.rows import Rows
from tests.servers.ftp import CountyServer
from tests.servers.postgres import Database

__all__ = ["folders"]

TUESDAY = date(2026, 11, 24)
POSTED = datetime(2026, 11, 23, 21, tzinfo=NEW_YORK)
NOW = datetime(2026, 11, 24, 10, tzinfo=NEW_YORK)
COLUMNS = ("case_number", "opened_on", "owner_name", "address", "zip")
LAYOUT = """
Violations.exp,0,case_number,code,yes,40,
Violations.exp,1,opened_on,date,no,10,
Violations.exp,2,owner_name,text,no,300,
Violations.exp,3,address,text,no,200,
Violations.exp,4,zip,text,no,40,
"""
STAGING = """
    CREATE TABLE staging_violations (
        ingestion_id bigint NOT NULL, line_number integer NOT NULL,
        case_number text NOT NULL, opened_on date, owner_name text, address text, zip text
    ) PARTITION BY LIST (ingestion_id)
"""
COURT_LINES = """
      UNION ALL
      SELECT ingestion_id, 'violation', case_number, line_number, opened_on, NULL, NULL, NULL, owner_name, NULL, NULL,
             NULL, NULL, NULL, NULL, NULL, false, address, 'Miami', 'FL', zip
      FROM staging_violations) all_lines;
"""


@pytest.fixture
def violations(database: Database, folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Feed:
    """Add a feed of code violations by following the recipe's steps; return the feed's declaration."""
    path = tmp_path / "layouts.csv"
    path.write_text(layouts.LAYOUTS.read_text("utf-8").rstrip() + LAYOUT, "utf-8")
    monkeypatch.setattr(layouts, "LAYOUTS", path)
    database.connection.execute(STAGING)
    repeatable, reference = folders
    edit(repeatable / "court_records.sql", ") all_lines;\n", COURT_LINES)
    for name, row in (
        ("court_files.csv", "Violations.exp,violation\n"),
        ("lead_types.csv", "violation,Code violation,The city has cited the property,60,false\n"),
    ):
        (reference / name).write_text((reference / name).read_text("utf-8") + row, "utf-8")
    migrate(database, folders)
    feed = Feed(
        name="violations",
        dag_id="violations_ftp_ingestion",
        ingestion_type="violations_ftp",
        description="Code violations become leads and alerts",
        period=Period.WEEK,
        schedule="0 9 * * 2",
        files=(FeedFile("Violations.exp", "violations", (Target("staging_violations", {c: c for c in COLUMNS}),)),),
        steps=feeds.WEEKLY.steps,
        merges=feeds.WEEKLY.merges,
        retry_minutes=10,
        stale_days=9,
    )
    monkeypatch.setattr(feeds, "FEEDS", (*feeds.FEEDS, feed))
    return feed


def ingest(database: Database, archive: Archive, feed_name: str) -> dict[str, int]:
    """Run all steps of a feed's DAG for TUESDAY; return the counts from every step."""
    connection, feed = database.connection, feeds.feed(feed_name)
    run = runs.open_run(connection, feed, "recipe", TUESDAY)
    request = FetchRequest(feed, TUESDAY)
    with closing(CountyFtp(timeout=3)) as ftp:
        for file in files_to_fetch(request, ftp, archive, now=NOW) or []:
            fetched = fetch_file(request, file, ftp, archive, now=NOW)
            runs.record_file(connection, run, fetched)
            with archive.open(fetched.object_name) as stream:
                stage_file(
                    connection,
                    file,
                    stream,
                    ingestion_id=run.ingestion_id,
                    feed=feed.name,
                    day=TUESDAY,
                    object_name=fetched.object_name,
                    max_rejected_percent=1,
                )
    counts: dict[str, int] = {}
    for step in (pipeline.match, pipeline.merge, pipeline.make_leads):
        counts |= step(connection, run)
    counts |= pipeline.write_alerts(connection, run, today=TUESDAY, max_age_days=3)
    runs.close_run(connection, run.ingestion_id)
    return counts


def test_a_declaration_a_layout_and_a_view_add_a_new_feed(
    database: Database, rows: Rows, server: CountyServer, tmp_path: Path, violations: Feed
) -> None:
    rows.insert("properties", folio_number="3049010010010", address="1 SW 8 ST", city="Miami", zip="33130")
    user = rows.user()
    rows.insert("subscriber_lead_criteria", subscriber_id=user, lead_types=["violation"], channels=["email"])
    good, malformed = "CV-1^11202026^OLGA OWNER^1 SW 8 ST^33130", "CV-2^20^OLGA OWNER^1 SW 8 ST^33130"
    server.put("/violations/Violations.exp", f"{good}\r\n{malformed}\r\n".encode(), POSTED)
    archive = open_archive((tmp_path / "archive").as_uri())
    assert missing_days(violations, [], None, NOW.replace(hour=12)) == [TUESDAY]

    counts = ingest(database, archive, "violations")

    assert archive.open("violations/2026-11-24/Violations.exp").read().startswith(b"CV-1^")
    assert (counts["leads"], counts["alerts"]) == (1, 1)
    assert rows.all("SELECT lead_type || ' ' || source_reference || ' ' || lead_score FROM leads") == [
        "violation CV-1 60"
    ]
    assert rows.all("SELECT reason FROM rejected_records WHERE feed = 'violations'") == [
        "opened_on is not a date MMDDYYYY"
    ]
    assert rows.all("SELECT status FROM data_ingestion_logs WHERE ingestion_type = 'violations_ftp'") == ["success"]
