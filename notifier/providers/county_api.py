"""The client for the Clerk's developer API, which returns the records of a folio.

The API always answers with HTTP 200, and the body says whether the call succeeded. The API key is part of the request's
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

from leads.logs import get_logger
from notifier.core.errors import OutcomeUnknown, PermanentFailure, ProviderError, ProviderUnavailable
from notifier.core.queues import LOOKUPS
from notifier.core.settings import settings
from notifier.providers.county_records import Record, number, other_parties, records_of, text
from notifier.providers.http import refusal, use_careful_connections

log = get_logger(__name__)

# At debug level, urllib3 would log URLs, which contain the API key.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

ADDRESS = "https://www2.miamidadeclerk.gov/Developers/api"
CALL_SECONDS = 3.0
SUCCESS = {"SUCCESSFUL", "OK"}
#: A refusal with one of these words is about the account (its key or units), not about the folio.
ACCOUNT_WORDS = ("authkey", "auth key", "unit")
#: The maximum size (bytes) of a decompressed answer, and the size of one read. The largest known answer is smaller than
#: a megabyte.
LARGEST_ANSWER = 16_000_000
READ_BYTES = 1 << 16
#: The database stores the number of remaining units as an integer.
LIMIT_OF_BALANCE = 2**31


class Denied(PermanentFailure):
    """The API answered "Failed", returned no records and charged no unit.

    ``balance`` is the number of remaining units, if known.
    """

    def __init__(self, message: str, *, balance: int | None = None) -> None:
        super().__init__(message, code="county_failed")
        self.balance = balance


@dataclass(frozen=True)
class Answer:
    """The API's answer.

    ``records`` contains one record, with our field names, for each party to each document. ``balance`` is the number of
    remaining units, if known. ``rows`` is the number of rows in the answer that identify a document. Some records are
    for parties that have no row in the answer.
    """

    records: list[Record]
    balance: int | None
    rows: int


def official_records(folio: str) -> Answer:
    """Return all official records of ``folio`` (13 digits), within about 3 s.

    Raises MissingSetting or a ProviderError. The ProviderError is OutcomeUnknown if a unit may have been spent.
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
    """Return the parsed body.

    Raises OutcomeUnknown if the body has not completely arrived by ``deadline``, is too large, or is not JSON.
    """
    body = bytearray()
    while part := answer.read1(READ_BYTES, decode_content=True):
        body += part
        if len(body) > LARGEST_ANSWER:
            raise OutcomeUnknown(f"the county's answer is larger than {LARGEST_ANSWER} bytes", code="too_large")
        if time.monotonic() > deadline:
            raise OutcomeUnknown("the county's answer took too long", code="no_answer")
    answer.release_conn()
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # nesting that is too deep causes a RecursionError
        raise OutcomeUnknown("the county did not answer with JSON", code="not_json") from None


def _refused(answer: urllib3.BaseHTTPResponse) -> ProviderError:
    code = f"http_{answer.status}"
    message = f"the county answered {answer.status}"
    known = refusal(answer.status, message, code, answer.headers.get("Retry-After"))
    return known or PermanentFailure(message, code=code)


def _parse(body: Any, folio: str, key: str) -> Answer:
    if not isinstance(body, Mapping):
        raise OutcomeUnknown("the county did not answer with an object", code="not_json")
    balance = number(body.get("UnitsBalance"), LIMIT_OF_BALANCE)
    status = text(body.get("Status")) or ""
    if status.upper() not in SUCCESS:
        why = (text(body.get("StatusDesc"), LARGEST_ANSWER) or "no reason given").replace(key, "…")[:200]
        if status.upper() != "FAILED":
            raise OutcomeUnknown(f"the county's status is {status[:40]!r}: {why}", code="county_status")
        if any(word in why.lower() for word in ACCOUNT_WORDS):
            raise ProviderUnavailable(f"the county refuses every request: {why}", code="county_failed")
        raise Denied(f"the county says Failed: {why}", balance=balance)
    rows = _rows(body.get("OfficialRecordList"))
    records = records_of(rows, folio)
    if len(records) < len(rows):
        log.warning("county_rows_without_document", folio=folio, rows=len(rows) - len(records))
    return Answer(records + other_parties(rows, folio), balance, len(records))


def _rows(listed: Any) -> list[Mapping[str, Any]]:
    """Return the rows in ``OfficialRecordList``.

    The value is null, a list of rows, or an object that contains one row or a list of rows. Raises OutcomeUnknown for
    any other value.
    """
    if isinstance(listed, Mapping):
        listed = listed.get("OfficialRecords")
    rows = [listed] if isinstance(listed, Mapping) else listed or []
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise OutcomeUnknown("the county's records are not a list of objects", code="unexpected_records")
    return rows


@cache
def _connections(address: str) -> urllib3.PoolManager:
    """Return the connection pool for the county's API, with a proxy if an environment variable names one.

    The pool comes from urllib3, because a call through a ``requests`` session would take twice as long.
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
