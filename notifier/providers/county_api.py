"""Client of the Clerk's developer API, which returns the records of a folio.

The API always answers with HTTP 200; the body says whether the call succeeded. The API key is part of the request's
URL, so this module must not log or return URLs.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode

import certifi
import urllib3
from requests.utils import get_environ_proxies, select_proxy

from notifier.core.errors import OutcomeUnknown, PermanentFailure, ProviderError, ProviderUnavailable
from notifier.core.queues import LOOKUPS
from notifier.core.settings import settings
from notifier.providers.http import refusal, use_careful_connections

# At debug level, urllib3 would log URLs, which contain the API key.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

ADDRESS = "https://www2.miamidadeclerk.gov/Developers/api"
CALL_SECONDS = 3.0
SUCCESS = {"SUCCESSFUL", "OK"}
#: Words in a refusal that is about the account (its key or its units) and not about the folio.
ACCOUNT_WORDS = ("authkey", "auth key", "unit")
NO_DATE = "1900-01-01"


class Denied(PermanentFailure):
    """The API answered "Failed", returned no records and charged no unit.

    ``balance`` is the remaining units, if known.
    """

    def __init__(self, message: str, *, balance: int | None = None) -> None:
        super().__init__(message, code="county_failed")
        self.balance = balance


@dataclass(frozen=True)
class Answer:
    """The API's answer: one record for each party of each document, with our field names, and the remaining units."""

    records: list[dict[str, Any]]
    balance: int | None


def official_records(folio: str) -> Answer:
    """Return all official records of ``folio`` (13 digits), within about 3 s.

    Raises MissingSetting or a ProviderError, which is OutcomeUnknown when a unit may have been spent.
    """
    key = settings.miami_dade_auth_key.get_secret_value()
    address = settings.miami_dade_api_url.rstrip("/")
    query = urlencode({"parameter1": folio, "parameter2": "FN", "authKey": key})
    deadline = time.monotonic() + CALL_SECONDS
    try:
        answer = _connections(address).request("GET", f"{address}/OfficialRecords?{query}", preload_content=False)
        with closing(answer):
            if answer.status != 200:
                raise _refused(answer)
            body = _read(answer, deadline)
    except urllib3.exceptions.HTTPError as error:
        raise OutcomeUnknown(f"no answer came back ({type(error).__name__})", code="no_answer") from None
    return _parse(body, folio, key)


def _read(answer: urllib3.BaseHTTPResponse, deadline: float) -> Any:
    """Return the parsed body; raises OutcomeUnknown when the whole body has not arrived by ``deadline``."""
    parts = []
    while part := answer.read1(decode_content=True):
        parts.append(part)
        if time.monotonic() > deadline:
            raise OutcomeUnknown("the county's answer took too long", code="no_answer")
    answer.release_conn()
    try:
        return json.loads(b"".join(parts))
    except ValueError:
        raise OutcomeUnknown("the county did not answer with JSON", code="not_json") from None


def _refused(answer: urllib3.BaseHTTPResponse) -> ProviderError:
    code = f"http_{answer.status}"
    message = f"the county answered {answer.status}"
    known = refusal(answer.status, message, code, answer.headers.get("Retry-After"))
    return known or PermanentFailure(message, code=code)


def _parse(body: Any, folio: str, key: str) -> Answer:
    if not isinstance(body, Mapping):
        raise OutcomeUnknown("the county did not answer with an object", code="not_json")
    balance = _number(body.get("UnitsBalance"))
    status = str(body.get("Status") or "").strip()
    if status.upper() not in SUCCESS:
        why = str(body.get("StatusDesc") or "no reason given").replace(key, "…")[:200]
        if status.upper() != "FAILED":
            raise OutcomeUnknown(f"the county's status is {status[:40]!r}: {why}", code="county_status")
        if any(word in why.lower() for word in ACCOUNT_WORDS):
            raise ProviderUnavailable(f"the county refuses every request: {why}", code="county_failed")
        raise Denied(f"the county says Failed: {why}", balance=balance)
    records = (body.get("OfficialRecordList") or {}).get("OfficialRecords") or []
    rows = [records] if isinstance(records, Mapping) else records
    return Answer([record for row in rows if (record := _record(row, folio))], balance)


def _record(row: Mapping[str, Any], folio: str) -> dict[str, Any] | None:
    """Return a row with our field names; None when the row identifies no document."""
    year, sequence = _number(row.get("CFN_YEAR")), _number(row.get("CFN_SEQ"))
    if year is None or sequence is None:
        return None
    own = "".join(c for c in str(row.get("FOLIO_NUMBER") or "") if c.isdigit())[-13:].zfill(13)
    recorded = str(row.get("REC_DATE") or "")[:10]
    original = _number(row.get("ORIG_CFN_SEQ")) or None
    return {
        "cfn_year": year,
        "cfn_seq": sequence,
        "group_id": _number(row.get("GROUP_ID")) or 0,
        "document_code": _text(row.get("DOC_TYPE")) or "",
        "case_number": _text(row.get("CASE_NUM")),
        "recorded_on": recorded if recorded and recorded != NO_DATE else None,
        "folio": own if own.strip("0") else folio,
        "consideration_1": row.get("CONSIDERATION_1"),
        "deed_doc_tax": row.get("DEED_DOC_TAX"),
        "original_cfn_year": _number(row.get("ORIG_CFN_YEAR")) if original else None,
        "original_cfn_seq": original,
        "party_sequence": _number(row.get("PARTY_SEQUENCE")) or 0,
        "party_code": _text(row.get("PARTY_CODE")),
        "party_name": _text(row.get("FIRST_PARTY")),
    }


def _text(value: Any) -> str | None:
    return str(value).strip() or None if value is not None else None


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


@cache
def _connections(address: str) -> urllib3.PoolManager:
    """Return the connection pool for the county, through the environment's proxy if a proxy is set.

    The pool is urllib3's: a session of ``requests`` takes as long to prepare a call as the rest of the call takes.
    """
    options: dict[str, Any] = {
        "maxsize": LOOKUPS.concurrency,
        "retries": False,
        "timeout": urllib3.Timeout(total=CALL_SECONDS),
        "headers": {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "leads-notifier"},
        "ca_certs": os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where(),
    }
    proxy = select_proxy(address, get_environ_proxies(address))
    manager = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
    return use_careful_connections(manager)
