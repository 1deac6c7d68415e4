"""Authenticates the app by its token."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, Header, HTTPException

from notifier.core.settings import settings


async def only_the_app(authorization: Annotated[str, Header()] = "") -> None:
    """Accept a request whose bearer token is ``APP_API_TOKEN``. Responds with 401 to any other request.

    The function is async, so that a request without the token occupies no thread.
    """
    scheme, _, token = authorization.partition(" ")
    expected = settings.app_api_token.get_secret_value()
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), expected.encode()):
        raise HTTPException(
            401, "send Authorization: Bearer with the app's token (APP_API_TOKEN)", {"WWW-Authenticate": "Bearer"}
        )


#: For ``APIRouter(dependencies=[ONLY_THE_APP])``.
ONLY_THE_APP = Depends(only_the_app)
