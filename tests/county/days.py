"""Run a day's documents through the pipeline's steps, from staging to alerts, in the order of the DAG's tasks."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import psycopg

from county import feeds, pipeline, runs
from county.errors import IngestionError
from county.fetch import Fetched
from county.runs import Run
from county.staging import stage_file
from sandbox.daily_files import cases_lines, dockets_lines, docktext_lines, official_records_lines, parties_lines
from sandbox.documents import Document, Party

FRIDAY = date(2026, 11, 20)
THURSDAY = date(2026, 11, 19)
WEDNESDAY = date(2026, 11, 18)
MONDAY = date(2026, 11, 23)

FOLIO = "0131230450670"
OTHER_FOLIO = "3049190012340"

WRITERS: dict[str, Callable[[Iterable[Document]], Iterable[str]]] = {
    "Cases.exp": cases_lines,
    "Parties.exp": parties_lines,
    "Dockets.exp": dockets_lines,
    "Docktext.exp": docktext_lines,
    "official_records.exp": official_records_lines,
}

_run_numbers = itertools.count(1)


@dataclass
class Pipeline:
    """Runs the pipeline on the test's own database.

    The keys of ``counts`` are the names of steps and of staged files. The values are the counts from the latest run.
    """

    connection: psycopg.Connection[Any]
    feed_name: str = "daily"
    counts: dict[str, Any] = field(default_factory=dict)

    def run(self, day: date, documents: Sequence[Document], *, announce_on: date | None = None, **alerts: Any) -> int:
        """Run all steps for ``day``; return the run's ``ingestion_id``.

        Alerts are written as if today were ``announce_on``, which defaults to ``day``.
        """
        return self.finish(self.stage_documents(day, documents), day, announce_on=announce_on, **alerts)

    def stage_documents(self, day: date, documents: Sequence[Document]) -> int:
        """Open a run and stage files that contain ``documents``; return the run's ``ingestion_id``."""
        lines = {file.name: list(WRITERS[file.name](documents)) for file in feeds.feed(self.feed_name).files}
        return self.stage(day, {name: "\r\n".join(text).encode("cp1252") for name, text in lines.items()})

    def stage(
        self, day: date, files: dict[str, bytes], *, max_rejected_percent: float = 1, run_id: str | None = None
    ) -> int:
        """Open a new run, or reopen ``run_id``, and stage ``files``; return the run's ``ingestion_id``."""
        feed = feeds.feed(self.feed_name)
        run = runs.open_run(self.connection, feed, run_id or f"test-{next(_run_numbers)}", day)
        names = {name: f"{self.feed_name}/{day}/{name}" for name in files}
        fetched = [Fetched(name, names[name], "sha256:0", len(content)) for name, content in files.items()]
        for file in fetched:
            runs.record_file(self.connection, run, file)
        for name, content in files.items():
            self.counts[name] = stage_file(
                self.connection,
                feed.file(name),
                io.BytesIO(content),
                ingestion_id=run.ingestion_id,
                feed=feed.name,
                day=day,
                object_name=names[name],
                max_rejected_percent=max_rejected_percent,
            )
        return run.ingestion_id

    def finish(self, ingestion_id: int, day: date, *, announce_on: date | None = None, **alerts: Any) -> int:
        run = Run(feeds.feed(self.feed_name), ingestion_id, day)
        for step in (pipeline.match, pipeline.merge, pipeline.make_leads):
            self.counts[step.__name__] = step(self.connection, run)
        options: dict[str, Any] = {"today": announce_on or day, "max_age_days": 3, **alerts}
        self.counts["write_alerts"] = pipeline.write_alerts(self.connection, run, **options)
        runs.close_run(self.connection, ingestion_id)
        return ingestion_id

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, parameters).fetchall()

    def one(self, query: str, *parameters: Any) -> tuple[Any, ...]:
        (row,) = self.rows(query, *parameters)
        return row

    def facts(self, folio: str = FOLIO) -> dict[str, Any]:
        """Return the facts about ``folio`` from the table ``properties``, by column."""
        columns = "owner_name last_sale_date last_sale_price last_transaction_type last_document_code mortgage_balance"
        row = self.one(f"SELECT {', '.join(columns.split())} FROM properties WHERE folio_number = %s", folio)
        return dict(zip(columns.split(), row, strict=True))

    def leads(self) -> list[tuple[str, str, str, str]]:
        """Return the type, reference, contact and status of every lead."""
        return self.rows(
            "SELECT lead_type, source_reference, contact_name, status FROM leads ORDER BY lead_type, source_reference"
        )

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows that must be the same for any order of the days. Omit generated ids and clock times."""
        facts = (
            "folio_number, owner_name, last_sale_date, last_sale_price, last_transaction_type, last_document_code,"
            " mortgage_balance, address, city, zip, data_source, last_updated"
        )
        documents = (
            "cfn_year, cfn_seq, group_id, document_code, recorded_on, folio_number, case_number, consideration_1,"
            " deed_doc_tax"
        )
        parties = "cfn_year, cfn_seq, group_id, party_sequence, party_code, party_name"
        return {
            "properties": self.rows(f"SELECT {facts} FROM properties ORDER BY folio_number"),
            "documents": self.rows(f"SELECT {documents} FROM recorded_documents ORDER BY {documents}"),
            "parties": self.rows(f"SELECT {parties} FROM document_parties ORDER BY {parties}"),
        }

    def row_versions(self) -> list[tuple[Any, ...]]:
        """Return the physical version of each row. Any write to a row changes the row's version."""
        tables = ("properties", "document_versions", "party_versions", "court_records", "leads", "deliveries")
        return [
            row for table in tables for row in self.rows(f"SELECT %s, ctid, xmin FROM {table} ORDER BY ctid", table)
        ]

    def fails(self, day: date, files: dict[str, bytes], error: type[IngestionError]) -> str:
        """Check that staging ``files`` fails with ``error``; return the error's message."""
        with suppress(error):
            self.stage(day, files)
            raise AssertionError(f"{error.__name__} was not raised")
        try:
            self.stage(day, files)
        except error as raised:
            return str(raised)
        raise AssertionError("unreachable")


_sequences = itertools.count(1001)


def document(code: str, recorded: date = THURSDAY, *parties: tuple[str, str], **fields: Any) -> Document:
    """Return a document about FOLIO with a new file number. Each of ``parties`` is a party code and a name."""
    values: dict[str, Any] = {"sequence": next(_sequences), "group": 1, "folio": FOLIO} | fields
    made = tuple(Party(*party) for party in parties)
    return Document(year=recorded.year, code=code, recorded=recorded, parties=made, **values)


def deed(recorded: date = THURSDAY, *buyers: str, price: int | None = 450_000, **fields: Any) -> Document:
    people = buyers or ("DOE JANE",)
    parties = [("D", "SELLER SAM"), *(("R", name) for name in people)]
    return document(
        fields.pop("code", "DEE"), recorded, *parties, consideration=f"{price}.00" if price else "", **fields
    )


def mortgage(recorded: date = THURSDAY, amount: int = 300_000, **fields: Any) -> Document:
    parties = (("D", "DOE JANE"), ("R", "FIRST HARBOR BANK"))
    return document("MOR", recorded, *parties, consideration=f"{amount}.00", **fields)


def lis_pendens(recorded: date = THURSDAY, **fields: Any) -> Document:
    parties = (("D", "FIRST HARBOR BANK"), ("R", "OWNER OLGA"))
    return document("LIS", recorded, *parties, case_number=fields.pop("case_number", "2026-000777-CA-01"), **fields)


def subscriber(pipeline: Pipeline, tokens: int = 100, status: str = "active", **criteria: Any) -> int:
    """Add a user and a row in ``subscriber_lead_criteria`` with the values ``criteria``; return the user's id."""
    (user,) = pipeline.one(
        "INSERT INTO users (email, token_balance, subscription_status)"
        " VALUES (gen_random_uuid() || '@example.test', %s, %s) RETURNING id",
        tokens,
        status,
    )
    wish = {"lead_types": ["new_homeowner", "foreclosure"], "channels": ["email"]} | criteria
    pipeline.connection.execute(
        f"INSERT INTO subscriber_lead_criteria (subscriber_id, {', '.join(wish)}) VALUES (%s{', %s' * len(wish)})",
        [user, *wish.values()],
    )
    return int(user)


def reference(made: Document) -> str:
    return f"{made.year}-{made.sequence}-{made.group}"
