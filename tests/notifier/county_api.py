"""Set how the county's API in the sandbox answers or fails, and read the calls that this API received."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.documents import Document
from tests.notifier.system import System


@dataclass(frozen=True)
class CountyApi:
    system: System

    def calls(self) -> list[dict[str, Any]]:
        """Return the received requests in order. Each request's ``at`` is the time when the request arrived."""
        return self.system.received("clerk")

    def folios(self) -> list[str]:
        return [call["query"]["parameter1"] for call in self.calls()]

    def alerts(self) -> list[str]:
        """Return the subjects of the alerts that on-call received."""
        return [str(alert["body"]["title"]) for alert in self.system.received("oncall")]

    def answers(self, body: Mapping[str, Any], **instruction: Any) -> None:
        """Make the API answer the next calls with ``body``."""
        self.fault(status=200, body=dict(body), accept=True, **instruction)

    def fault(self, **instruction: Any) -> None:
        """Make the next calls fail. ``instruction`` holds the fields of a ``sandbox.faults.Fault``."""
        self.system.fault("clerk", **instruction)


def answer(*documents: Any, balance: int = 4_000, status: str = "Successful", why: str = "") -> dict[str, Any]:
    """Return an API answer with ``documents``. Each document is a list of rows, such as ``deed`` returns."""
    rows = [row for document in documents for row in document]
    return {
        "Status": status,
        "StatusDesc": why,
        "UnitsBalance": balance,
        "OfficialRecordList": {"OfficialRecords": rows} if rows else None,
        "RecordImages": [],
    }


def deed(folio: str, *buyers: str, recorded: str = "2026-01-27", sequence: int = 55_844, **fields: Any) -> list[Any]:
    """Return a deed in the API's format, with one row for the seller and one row for each buyer."""
    common = {
        "CFN_YEAR": int(recorded[:4]),
        "CFN_SEQ": sequence,
        "GROUP_ID": 1,
        "DOC_TYPE": "DEE",
        "REC_DATE": f"{recorded}T00:00:00-05:00",
        "DOC_DATE": "1900-01-01T00:00:00-05:00",
        "BOOK_TYPE": "O ",
        "ORIG_CFN_YEAR": 0,
        "ORIG_CFN_SEQ": 0,
        "FOLIO_NUMBER": folio,
        "CASE_NUM": None,
        "STATUS": "V",
        "CONSIDERATION_1": 210_000,
        "CONSIDERATION_2": 0,
        "DEED_DOC_TAX": 1260,
        **fields,
    }
    people = [("D", "SELLER SAM"), *(("R", buyer) for buyer in buyers or ("DOE JANE",))]
    return [
        {**common, "FIRST_PARTY": name, "PARTY_CODE": code, "KEY": 162_014_014 + n, "PARTY_SEQUENCE": n}
        for n, (code, name) in enumerate(people, start=1)
    ]


def rows_of(document: Document) -> list[Any]:
    """Convert a document from the county's files to the format of the county's API."""
    original = document.original or (0, 0)
    common = {
        "CFN_YEAR": document.year,
        "CFN_SEQ": document.sequence,
        "GROUP_ID": document.group,
        "DOC_TYPE": document.code,
        "REC_DATE": f"{document.recorded}T00:00:00-05:00",
        "ORIG_CFN_YEAR": original[0],
        "ORIG_CFN_SEQ": original[1],
        "FOLIO_NUMBER": document.folio,
        "CASE_NUM": document.case_number or None,
        "CONSIDERATION_1": float(document.consideration or 0),
        "DEED_DOC_TAX": float(document.stamp_tax or 0),
    }
    return [
        {**common, "FIRST_PARTY": party.name, "PARTY_CODE": party.code, "PARTY_SEQUENCE": n}
        for n, party in enumerate(document.parties, start=1)
    ]
