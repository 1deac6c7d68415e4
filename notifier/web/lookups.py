"""``POST /api/properties/lookup`` and ``GET /api/properties/lookup/{id}``, for the app's search.

The status is 200 with an answer, 202 with ``status_url`` if the lookup is still pending, 402 if the balance is too low,
404 for an unknown lookup, 422 for a malformed folio or unknown subscriber, 429 with Retry-After if the day's units are
used up, 503 if an operator has paused lookups, and 502 if the lookup fails.
"""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError

from notifier.core.errors import UnknownRecipient
from notifier.lookups import client
from notifier.lookups.client import AnswerWait, LookupFailed, LookupPending, MalformedFolio
from notifier.messages.links import id_of, signed_id
from notifier.web.authentication import ONLY_THE_APP

PATH = "/api/properties/lookup"
router = APIRouter(prefix=PATH, dependencies=[ONLY_THE_APP])

#: The HTTP status for each failure that the county's API did not cause. Other failures have status 502.
STATUSES = {**dict.fromkeys(client.UNIT_CAPS, 429), "insufficient_tokens": 402, client.PAUSED: 503}


class LookupQuery(BaseModel):
    """A parcel and the subscriber who looks it up. The caller waits at most ``timeout`` seconds."""

    folio_number: str
    subscriber_id: Annotated[int, Field(ge=0, lt=2**63)]
    timeout: Annotated[float, Field(ge=0, le=30, allow_inf_nan=False)] = 30


async def lookup_query(request: Request) -> LookupQuery:
    """Return the query in the body. Responds with 422 to a malformed body.

    FastAPI would read a body parameter before the token is checked, and would respond with 400 or 500 to some malformed
    bodies.
    """
    try:
        return LookupQuery.model_validate_json(await request.body())
    except ValidationError as error:
        # Do not quote the input, because it may contain a surrogate or NaN, which the response cannot contain.
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise HTTPException(422, problems) from None


@router.post("")
async def look_up(query: Annotated[LookupQuery, Depends(lookup_query)]) -> JSONResponse:
    """Respond as soon as the lookup has an answer or the timeout has passed. The wait occupies no thread."""
    try:
        return _answered(await _lookup(query))
    except LookupPending as error:
        return _pending(error.lookup_id)
    except LookupFailed as error:
        return _failed(error)
    except (MalformedFolio, UnknownRecipient) as error:
        return JSONResponse({"detail": str(error)}, 422)


@router.get("/{lookup_id}")
def look_again(lookup_id: str) -> JSONResponse:
    """Respond with the result of a lookup, or with 202 while the lookup is pending.

    ``lookup_id`` is the signed id from the first answer. Any other string gets a 404, so that nobody can guess an id.
    """
    number = id_of("lookup", lookup_id)
    if number is None:
        return _unknown()
    try:
        answer = client.result(number)
    except KeyError:
        return _unknown()
    except LookupFailed as error:
        return _failed(error)
    return _answered(answer) if answer else _pending(number)


async def _lookup(query: LookupQuery) -> dict[str, Any]:
    """Look up a parcel as ``notifier.lookup`` does, but wait on the event loop."""
    wait = await run_in_threadpool(AnswerWait, query.folio_number, query.subscriber_id, query.timeout)
    if wait.answer is not None:
        return wait.answer
    loop, woken = asyncio.get_running_loop(), asyncio.Event()
    with wait.registered(lambda: loop.call_soon_threadsafe(woken.set)):
        await run_in_threadpool(wait.begin)
        while wait.answer is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait.seconds_to_wait()):
                    await woken.wait()
            woken.clear()
            await run_in_threadpool(wait.look)
    return wait.answer


def _answered(answer: dict[str, Any]) -> JSONResponse:
    return JSONResponse(jsonable_encoder(answer), headers={"Cache-Control": "no-store"})


def _pending(lookup_id: int) -> JSONResponse:
    signed = signed_id("lookup", lookup_id)
    address = f"{PATH}/{signed}"
    return JSONResponse({"id": signed, "status_url": address}, 202, {"Location": address, "Retry-After": "2"})


def _unknown() -> JSONResponse:
    return JSONResponse({"detail": "there is no lookup with this id"}, 404)


def _failed(error: LookupFailed) -> JSONResponse:
    headers = {} if error.retry_after is None else {"Retry-After": str(math.ceil(error.retry_after))}
    return JSONResponse({"detail": str(error), "code": error.code}, STATUSES.get(error.code, 502), headers)
