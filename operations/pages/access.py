"""Who may open the operators' pages, and who may act.

Airflow's auth manager decides both. Whoever may see the activity of the whole cluster may read, as viewers may. Whoever
may edit pools may act, as operators and administrators may. Auth managers also have ``is_authorized_custom_view``, but
SimpleAuthManager 3.3 lets viewers through whatever the method.
"""

from __future__ import annotations

import hmac
from datetime import timedelta
from hashlib import sha256
from typing import Annotated
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import get_user
from airflow.configuration import conf
from fastapi import Depends, HTTPException, Request, status

from leads.clock import now

#: The header that proves that one of our own pages sent a request.
TOKEN_HEADER = "X-CSRF-Token"
#: Paths whose POST only reads. Their input is personal data, which must not be in an address.
READING_POSTS = frozenset({"search"})
_SAFE_METHODS = frozenset({"GET", "HEAD"})

User = Annotated[BaseUser, Depends(get_user)]


def may_act(user: BaseUser) -> bool:
    """Return whether the user may act, and not only read."""
    return bool(get_auth_manager().is_authorized_pool(method="PUT", user=user))


def actor_name(user: BaseUser) -> str:
    """Return the user's name in Airflow, as ``operator_actions.actor`` stores it."""
    return str(user.get_name())


def form_token(user: BaseUser, *, days_ago: int = 0) -> str:
    """Return the token that a page sends back with each action. A token is valid today and on the next day (UTC)."""
    day = (now() - timedelta(days=days_ago)).date().isoformat()
    key = conf.get_mandatory_value("api", "secret_key").encode()
    return hmac.new(key, f"operators-pages:{user.get_id()}:{day}".encode(), sha256).hexdigest()


async def check_access(request: Request, user: User) -> None:
    """Refuse whoever may not make this request.

    A request that may change something needs an operator's rights, and, unless it has a bearer token, a proof that one
    of our own pages sent it: browsers send the session's cookie with requests from other sites too. Raises
    HTTPException with 401 (not logged in) or 403.
    """
    if not get_auth_manager().is_authorized_view(access_view=AccessView.CLUSTER_ACTIVITY, user=user):
        raise HTTPException(
            status.HTTP_403_FORBIDDEN,
            "Your role may not see the activity of the whole cluster. Ask an administrator for the role Viewer.",
        )
    request.state.user = user
    if request.method in _SAFE_METHODS:
        return
    path = request.scope["path"].removeprefix(request.scope["root_path"]).lstrip("/")
    if path not in READING_POSTS and not may_act(user):
        raise HTTPException(
            status.HTTP_403_FORBIDDEN,
            "Only operators and administrators may act. Ask an administrator for the role Op.",
        )
    if not request.headers.get("authorization", "").lower().startswith("bearer "):
        _check_origin(request, user)


def _check_origin(request: Request, user: BaseUser) -> None:
    # Behind a proxy, the header Host may name this machine instead of the address in the browser.
    ours = {request.headers.get("host"), urlsplit(conf.get("api", "base_url", fallback="")).netloc}
    origin = request.headers.get("origin")
    is_foreign = origin is not None and urlsplit(origin).netloc not in ours - {"", None}
    if is_foreign or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise HTTPException(status.HTTP_403_FORBIDDEN, "The request came from another site.")
    sent = request.headers.get(TOKEN_HEADER, "").encode()
    if not any(hmac.compare_digest(sent, form_token(user, days_ago=days).encode()) for days in (0, 1)):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "This page is too old. Reload it and try again.")
