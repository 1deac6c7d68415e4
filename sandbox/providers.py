"""Check and answer requests the way SendGrid, Twilio and the Clerk's API do.

SendGrid and Twilio document their formats: https://www.twilio.com/docs/sendgrid/api-reference/mail-send,
https://www.twilio.com/docs/messaging/api and https://www.twilio.com/docs/voice/api/call-resource. The format for the
Clerk's API was copied from real answers.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.world import Parcel, parcels_by_folio

EMAIL_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
PHONE_NUMBER = re.compile(r"\+[1-9]\d{7,14}")
LONGEST_TEXT = 1600
MOST_EMAILS = 1000
UNITS_AT_FIRST = 100_000
TWILIO = "/2010-04-01/"


@dataclass(frozen=True)
class Request:
    """A request as the server received it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    text: str
    fields: Any
    """The body: parsed JSON, or the fields of a form."""


@dataclass(frozen=True)
class Answer:
    """An answer to a request. ``accepted`` says how many ``emails``, ``texts``, ``calls``, … the provider accepted."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    accepted: Mapping[str, int] = field(default_factory=dict)


def sendgrid(request: Request, number: int, seed: int) -> Answer:
    """Answer a request to SendGrid's mail API."""
    if not request.headers.get("authorization", "").startswith("Bearer SG."):
        return _sendgrid_error(401, "The provided authorization grant is invalid, expired, or revoked", None)
    mail = request.fields if isinstance(request.fields, dict) else {}
    people = mail.get("personalizations") or []
    if not 1 <= len(people) <= MOST_EMAILS:
        return _sendgrid_error(400, "The personalizations field must hold 1 to 1000 items.", "personalizations")
    if not EMAIL_ADDRESS.fullmatch(str((mail.get("from") or {}).get("email"))):
        return _sendgrid_error(400, "The from email does not contain a valid address.", "from.email")
    if not str(mail.get("template_id", "")).startswith("d-"):
        return _sendgrid_error(400, "The template_id must be a valid id.", "template_id")
    for position, person in enumerate(people):
        for place, to in enumerate(person.get("to") or [{}]):
            if not EMAIL_ADDRESS.fullmatch(str(to.get("email"))):
                where = f"personalizations.{position}.to.{place}.email"
                return _sendgrid_error(400, "Does not contain a valid address.", where)
    return Answer(202, headers={"X-Message-Id": _id("msg", number)}, accepted={"emails": len(people)})


def _sendgrid_error(status: int, message: str, where: str | None) -> Answer:
    return Answer(status, {"errors": [{"message": message, "field": where, "help": None}]})


def twilio(request: Request, number: int, seed: int) -> Answer:
    """Answer a request to create a text or a call."""
    match = re.fullmatch(r"/2010-04-01/Accounts/(AC\w+)/(Messages|Calls)\.json", request.path)
    if match is None:
        return twilio_error(404, 20404, f"The requested resource {request.path} was not found")
    if not _basic_auth(request).startswith(f"{match[1]}:"):
        return twilio_error(401, 20003, "Authenticate")
    fields, kind = request.fields, match[2]
    if not PHONE_NUMBER.fullmatch(fields.get("To", "")):
        return twilio_error(400, 21211, f"Invalid 'To' Phone Number: {fields.get('To')}")
    has_service = kind == "Messages" and re.fullmatch(r"MG[0-9a-f]{32}", fields.get("MessagingServiceSid", ""))
    if not (has_service or PHONE_NUMBER.fullmatch(fields.get("From", ""))):
        return twilio_error(400, 21212, f"Invalid From Number: {fields.get('From')}")
    if kind == "Calls" and not fields.get("Url"):
        return twilio_error(400, 21205, "Url is required.")
    if kind == "Calls" and fields.get("MachineDetection", "Enable") not in ("Enable", "DetectMessageEnd"):
        return twilio_error(400, 21262, "MachineDetection is invalid.")
    if kind == "Messages" and not fields.get("Body"):
        return twilio_error(400, 21602, "Message body is required.")
    if kind == "Messages" and len(fields["Body"]) > LONGEST_TEXT:
        return twilio_error(400, 21617, "The concatenated message body exceeds the 1600 character limit.")
    made = {
        "sid": _id("SM" if kind == "Messages" else "CA", number),
        "account_sid": match[1],
        "to": fields["To"],
        "from": fields.get("From"),
        "from_formatted": re.sub(r"\+1(\d{3})(\d{3})(\d{4})", r"(\1) \2-\3", fields.get("From", "")),
        "body": fields.get("Body"),
        "status": "queued",
        "direction": "outbound-api",
    }
    return Answer(201, made, accepted={"texts" if kind == "Messages" else "calls": 1})


def twilio_error(status: int, code: int, message: str) -> Answer:
    """Return an error response in Twilio's format."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return Answer(status, {"code": code, "message": message, "more_info": more, "status": status})


def _basic_auth(request: Request) -> str:
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    return base64.b64decode(value).decode(errors="replace") if kind == "Basic" else ""


def clerk(request: Request, number: int, seed: int) -> Answer:
    """Answer a request to the Clerk's API."""
    balance = UNITS_AT_FIRST - number
    if not request.query.get("authKey"):
        return Answer(200, _clerk_answer("Failed", "Invalid AuthKey", 0, None))
    if request.query.get("parameter2") != "FN" or not re.fullmatch(r"\d{13}", request.query.get("parameter1", "")):
        return Answer(200, _clerk_answer("Failed", "Invalid parameters", balance + 1, None))
    parcel = parcels_by_folio(seed).get(request.query["parameter1"])
    records = {"OfficialRecords": _clerk_deed(parcel)} if parcel else None
    return Answer(200, _clerk_answer("Successful", "", balance, records), accepted={"lookups": 1})


def _clerk_answer(status: str, why: str, balance: int, records: Any) -> dict[str, Any]:
    return {
        "Status": status,
        "StatusDesc": why,
        "UnitsBalance": balance,
        "OfficialRecordList": records,
        "RecordImages": [],
    }


def _clerk_deed(parcel: Parcel) -> list[dict[str, Any]]:
    """Return the deed by which the owner acquired the parcel, as one row for each party."""
    sequence = int(parcel.folio_number[-6:])
    price = parcel.assessed_value // 100 * 100
    deed = {
        "CFN_YEAR": 2020,
        "CFN_SEQ": sequence,
        "GROUP_ID": 1,
        "DOC_TYPE": "DEE",
        "REC_DATE": "2020-06-15T00:00:00-04:00",
        "DOC_DATE": "1900-01-01T00:00:00-05:00",
        "FOLIO_NUMBER": parcel.folio_number,
        "CASE_NUM": None,
        "STATUS": "V",
        "CONSIDERATION_1": price,
        "DEED_DOC_TAX": price * 0.006,
    }
    seller, buyer = "FORMER OWNER", parcel.owner_name
    return [
        deed | {"FIRST_PARTY": seller, "SECOND_PARTY": buyer, "PARTY_CODE": "D", "KEY": sequence, "PARTY_SEQUENCE": 1},
        deed | {"FIRST_PARTY": buyer, "SECOND_PARTY": seller, "PARTY_CODE": "R", "KEY": -sequence, "PARTY_SEQUENCE": 2},
    ]


def oncall(request: Request, number: int, seed: int) -> Answer:
    """Accept an alert."""
    return Answer(200, {}, accepted={"oncall": 1})


def _id(prefix: str, number: int) -> str:
    return prefix + hashlib.md5(f"{prefix}{number}".encode(), usedforsecurity=False).hexdigest()


#: The path prefix, name and function for each provider. The first matching prefix wins.
ROUTES: tuple[tuple[str, str, Callable[[Request, int, int], Answer]], ...] = (
    ("/v3/", "sendgrid", sendgrid),
    (TWILIO, "twilio", twilio),
    ("/Developers/api/", "clerk", clerk),
    ("/oncall", "oncall", oncall),
)
