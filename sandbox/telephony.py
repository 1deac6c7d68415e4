"""Answer Twilio requests about existing texts and calls.

Twilio documents the formats: https://www.twilio.com/docs/voice/api/call-resource and
https://www.twilio.com/docs/messaging/api.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sandbox.providers import Answer, Request, twilio_error


def look_up(request: Request, made: Sequence[dict[str, Any]]) -> Answer:
    """If the path has a SID, return that text or call; otherwise list those that match ``To`` and ``From``.

    The list begins with the newest text or call.
    """
    match = re.fullmatch(r"/2010-04-01/Accounts/AC\w+/(Messages|Calls)(?:/(\w+))?\.json", request.path)
    if match is None:
        return twilio_error(404, 20404, f"The requested resource {request.path} was not found")
    kind = match[1].lower()
    ours = [thing for thing in made if thing["sid"].startswith("SM" if kind == "messages" else "CA")]
    if match[2]:
        found = [thing for thing in ours if thing["sid"] == match[2]]
        return Answer(200, found[0]) if found else twilio_error(404, 20404, f"{match[2]} was not found")
    wanted = {"to": request.query.get("To"), "from": request.query.get("From")}
    hits = [thing for thing in reversed(ours) if all(thing[name] == value for name, value in wanted.items() if value)]
    return Answer(200, {kind: hits, "next_page_uri": None, "page": 0, "page_size": 50, "uri": request.path})
