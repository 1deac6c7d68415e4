"""What tests do to act on the pages: open a dialog, read its form, and send it."""

from __future__ import annotations

import html
import json
import re
import uuid
from typing import Any

from fastapi.testclient import TestClient

from tests.rows import Rows

REASON = "SendGrid is back"


def delivery(rows: Rows, state: str, **values: Any) -> int:
    """Write a free delivery, which tokens do not stop, with an open dead letter if it failed for good."""
    defaults = {"channel": "email", "kind": "welcome_email", "dedupe_key": uuid.uuid4().hex, "state": state}
    made = rows.insert("deliveries", **defaults | values)
    if state in ("dead", "failed", "parked"):
        dead_letter(rows, delivery_id=made, job_data={"code": values.get("error_code")})
    return made


def dead_letter(rows: Rows, **values: Any) -> int:
    defaults = {"queue_name": "email-workflows", "job_name": "welcome_email", "error_message": "it failed"}
    return rows.insert("failed_jobs", **defaults | values)


def preview(client: TestClient, **parameters: Any) -> Any:
    """Open the dialog of an action."""
    return client.get("actions/new", params={name: str(value) for name, value in parameters.items()})


def form(dialog: Any) -> dict[str, str]:
    """Return the hidden fields of a dialog's form, and a reason."""
    assert dialog.status_code == 200, dialog.text
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', dialog.text)
    return {name: html.unescape(value) for name, value in fields} | {"reason": REASON}


def title(dialog: Any) -> str:
    found = re.search(r"<h2>(.*?)</h2>", dialog.text, re.DOTALL)
    assert found
    return html.unescape(" ".join(found[1].split()))


def notice(answer: Any) -> str:
    """Return the text that the page shows after an action."""
    assert answer.status_code == 204, answer.text
    return str(json.loads(answer.headers["HX-Trigger"])["operations:done"])


def act(client: TestClient, **parameters: Any) -> str:
    """Open the dialog of an action, send it, and return the notice."""
    return notice(client.post("actions", data=form(preview(client, **parameters))))
