"""``POST /api/properties/lookup`` and ``GET /api/properties/lookup/{id}``: what the app's search calls.

200 with the answer, 202 with ``status_url`` when it takes longer, 402 without enough tokens, 404 for an unknown lookup,
422 for what is no folio or no subscriber, 429 with Retry-After when the day's units are used, 502 when it fails.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from notifier.core.errors import UnknownRecipient
from notifier.lookups import client, listener
from notifier.lookups.client import LookupFailed, LookupPending, MalformedFolio
from notifier.web.authentication import ONLY_THE_APP

PATH = "/api/properties/lookup"
router = APIRouter(prefix=PATH, dependencies=[ONLY_THE_APP])

#: The statuses of failures that are not the county's.
STATUSES = {"unit_cap": 429, "insufficient_tokens": 402}


class Wanted(BaseModel):
    """A parcel, and who wants to know; ``timeout`` (s) is how long the caller waits."""

    folio_number: str
    subscriber_id: int
    timeout: Annotated[float, Field(ge=0, le=30)] = 30


@router.post("")
async def look_up(wanted: Wanted) -> JSONResponse:
    """Waits for the answer without holding a thread."""
    try:
        return _answered(await _lookup(wanted))
    except LookupPending as error:
        return _pending(error.lookup_id)
    except LookupFailed as error:
        return _failed(error)
    except (MalformedFolio, UnknownRecipient) as error:
        return JSONResponse({"detail": str(error)}, 422)


@router.get("/{lookup_id}")
def look_again(lookup_id: int) -> JSONResponse:
    try:
        answer = client.result(lookup_id)
    except KeyError:
        return JSONResponse({"detail": f"there is no lookup {lookup_id}"}, 404)
    except LookupFailed as error:
        return _failed(error)
    return _answered(answer) if answer else _pending(lookup_id)


async def _lookup(wanted: Wanted) -> dict[str, Any]:
    """As ``notifier.lookup``, on the event loop."""
    deadline = time.monotonic() + wanted.timeout
    asked = await run_in_threadpool(client.request_lookup, wanted.folio_number, wanted.subscriber_id)
    if asked.answer is not None:
        return asked.answer
    assert asked.lookup_id is not None
    with listener.awaiting(asked.folio) as woken:
        if asked.is_new:
            await run_in_threadpool(client.wake, asked.folio, wanted.subscriber_id, asked.lookup_id)
        elif answer := await run_in_threadpool(client.result, asked.lookup_id):
            return answer
        while (left := deadline - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(min(left, client.LOOK_AGAIN_SECONDS)):
                    await woken.wait()
            except TimeoutError:
                pass
            woken.clear()
            if answer := await run_in_threadpool(client.result, asked.lookup_id):
                return answer
    raise LookupPending(asked.lookup_id)


def _answered(answer: dict[str, Any]) -> JSONResponse:
    return JSONResponse(jsonable_encoder(answer), headers={"Cache-Control": "no-store"})


def _pending(lookup_id: int) -> JSONResponse:
    address = f"{PATH}/{lookup_id}"
    return JSONResponse({"id": lookup_id, "status_url": address}, 202, {"Location": address, "Retry-After": "2"})


def _failed(error: LookupFailed) -> JSONResponse:
    headers = {} if error.retry_after is None else {"Retry-After": str(math.ceil(error.retry_after))}
    return JSONResponse({"detail": str(error), "code": error.code}, STATUSES.get(error.code, 502), headers)
