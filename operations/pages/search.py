"""The search box: finds the page for an id, an address or a number, and the list of deliveries for everything else.

The text is sent with POST, and the answer names an address of a page that contains no e-mail address and no phone
number: Airflow logs the query strings of all requests.
"""

from __future__ import annotations

import json
import re
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response

from operations.pages import database
from operations.pages.filter_values import LONGEST, folio_digits

router = APIRouter()

_ID = re.compile(r"#?([0-9]{1,18})")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
#: The indexes find only texts that contain this.
_SEARCHABLE = re.compile(r"[^\W_]{3}")
#: A text that contains this may contain an e-mail address or a phone number.
_PERSONAL = re.compile(
    r"@|\+\s*[0-9](?:[\s().-]*[0-9]){6,}|(?<![0-9A-Za-z])\(?[2-9][0-9]{2}\)?[\s.-]*[0-9]{3}[\s.-]*[0-9]{4}(?![0-9])"
)


@router.post("/search")
def search(request: Request, q: Annotated[str, Form()] = "") -> Response:
    """Answer with the address of the page that shows what the text means, or else with a notice."""
    text = " ".join(q.replace("\0", " ").split())
    if not text:
        return _notice("Type an id, an e-mail address, a phone number, a folio or an error.")
    if len(text) > LONGEST:
        return _notice(f"The text is too long: at most {LONGEST} characters.")
    target, notice = _resolve(text)
    if target is None:
        return _notice(notice)
    return Response(status_code=204, headers={"HX-Redirect": f"{request.scope['root_path']}/{target}"})


def _resolve(text: str) -> tuple[str | None, str]:
    """Return the address of the page for a text, or None and the reason why there is none."""
    number = _ID.fullmatch(text)
    with database.read() as connection:
        found = database.rows(connection, "search_box", text=text, id=int(number[1]) if number else None)[0]
    if found["delivery"] is not None:
        return f"deliveries/{found['delivery']}", ""
    if folio := folio_digits(text):
        return _deliveries(folio=folio), ""
    if found["subscriber"] is not None:
        return _deliveries(subscriber=found["subscriber"]), ""
    if found["lead"] is not None:
        return _deliveries(lead=found["lead"]), ""
    if found["phone"] is not None or _EMAIL.fullmatch(text):
        return None, "No subscriber or lead has this address."
    if _PERSONAL.search(text):
        return None, "Type the whole e-mail address or phone number, and nothing else."
    if number is None and not _SEARCHABLE.search(text):
        return None, "Type at least three letters or digits in a row."
    return _deliveries(q=text), ""


def _deliveries(**parameters: object) -> str:
    return f"deliveries?{urlencode(parameters)}"


def _notice(text: str) -> Response:
    # Header values are ASCII; json escapes everything else.
    return Response(status_code=204, headers={"HX-Trigger": json.dumps({"operations:done": text})})
