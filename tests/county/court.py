"""Generate weekly and monthly court files, and run the files through the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from tests.county.days import FOLIO, MONDAY, Pipeline

WEEK = MONDAY
NEXT_WEEK = date(2026, 11, 30)
LAST_WEEK = date(2026, 11, 16)
FILED = date(2026, 11, 12)
CASE = "2026-000101-CC-05"
ADDRESS = "1234 SW 8 ST"


def day_of(day: date | None) -> str:
    return f"{day:%m%d%Y}" if day else "00000000"


def eviction(case: str = CASE, address: str = ADDRESS, **fields: Any) -> str:
    """Return a line of Evictions.exp."""
    values: dict[str, Any] = {"filed": FILED, "disposition": "", "tenant": "TENANT TINA", "owner": "LANDLORD LARRY"}
    values |= {"zip": ""} | fields
    head = [case, day_of(values["filed"]), values["disposition"], "CC05", values["tenant"]]
    return "^".join([*head, address, "MIAMI", "FL", values["zip"], values["owner"]])


def debt(case: str = CASE, address: str = ADDRESS, **fields: Any) -> str:
    """Return a line of Indebtedness.exp."""
    values: dict[str, Any] = {"filed": FILED, "status": "OPEN", "disposed": None, "code": "", "disposition": ""}
    values |= {"zip": ""} | fields
    who = [values.get("plaintiff", "FIRST HARBOR BANK"), values.get("tenant", "DEBTOR DAVE")]
    how = [values["status"], day_of(values["disposed"]), values["code"], values["disposition"], "1200.00"]
    return "^".join(
        [case, "CONTRACT", "SP01", day_of(values["filed"]), *who, *how, address, "MIAMI", "FL", values["zip"]]
    )


def estate(case: str = CASE, address: str = ADDRESS, **fields: Any) -> str:
    """Return the two lines that Probate.exp has for one estate."""
    values: dict[str, Any] = {"filed": FILED, "tenant": "DECEDENT DORA", "owner": "PETITIONER PAT", "zip": ""}
    values |= fields
    head = [case, day_of(values["filed"]), "ADMINISTRATION"]
    lines = [
        [*head, "DECEDENT", values["tenant"], "10012026", "250000.00", address, "MIAMI", "FL", values["zip"]],
        [*head, "PETITIONER", values["owner"], "", "", "9 FAR AWAY LN", "TAMPA", "FL", "33601"],
    ]
    return "\n".join("^".join(line) for line in lines)


def verdict(case: str = CASE, address: str = ADDRESS, **fields: Any) -> str:
    """Return a line of Verdicts.exp."""
    values: dict[str, Any] = {"filed": FILED, "tenant": "DEBTOR DAVE", "zip": ""}
    values |= fields
    head = [case, day_of(values["filed"]), "CONTRACT", "WINNER INC", values["tenant"], "75000.00"]
    return "^".join([*head, address, "MIAMI", "FL", values["zip"]])


@dataclass(frozen=True)
class Kind:
    """One of the four court files, with facts about the leads that are created from its cases."""

    lead_type: str
    feed: str
    file: str
    table: str
    line: Callable[..., str]
    contact: str
    score: int
    lines_of_a_record: int = 1


KINDS = (
    Kind("eviction", "weekly", "Evictions.exp", "eviction_records", eviction, "LANDLORD LARRY", 75),
    Kind("indebtedness", "weekly", "Indebtedness.exp", "indebtedness_cases", debt, "DEBTOR DAVE", 70),
    Kind("probate", "monthly", "Probate.exp", "probate_cases", estate, "PETITIONER PAT", 95, 2),
    Kind("verdict", "monthly", "Verdicts.exp", "verdict_cases", verdict, "DEBTOR DAVE", 70),
)


class Court(Pipeline):
    """Runs court files through the pipeline on the test's own database."""

    def file(self, kind: Kind, day: date, *lines: str, announce_on: date | None = None, **alerts: Any) -> int:
        """Run all steps for ``day``; return the run's ``ingestion_id``.

        The file for ``kind`` contains ``lines``, and the feed's other file is empty.
        """
        self.feed_name = kind.feed
        files = {other.file: b"" for other in KINDS if other.feed == kind.feed}
        files[kind.file] = "\n".join(lines).encode()
        return self.finish(self.stage(day, files), day, announce_on=announce_on, **alerts)

    def add_property(self, folio: str = FOLIO, address: str = ADDRESS, **columns: Any) -> None:
        values = {"folio_number": folio, "address": address, "city": "Miami", "zip": "33130"} | columns
        names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        self.connection.execute(f"INSERT INTO properties ({names}) VALUES ({marks})", list(values.values()))

    def outcome(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return the rows that must be the same for any order of the files. Omit generated ids and clock times."""
        records = (
            "record_type, case_number, business_date, entry, filed_on, party_name, counterparty_name, disposition,"
            " address, zip, is_disposed, is_live"
        )
        return {
            "records": self.rows(
                f"SELECT {records}, (SELECT folio_number FROM properties p WHERE p.id = property_id) FROM court_records"
                f" ORDER BY {records}"
            ),
            "leads": self.rows(
                "SELECT folio_number, lead_type, source_reference, lead_date, contact_name, lead_score, status"
                " FROM leads l JOIN properties p ON p.id = l.property_id ORDER BY 1, 2, 3"
            ),
            "unmatched": self.rows(
                "SELECT feed, record_type, source_reference, entry, address, zip, reason, candidates"
                " FROM unmatched_records ORDER BY 1, 2, 3, 4"
            ),
        }
