"""``GET /health``: whether everything that sends is there. Open to whoever reaches it; it tells names of parts only."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache

import redis
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from leads import settings
from notifier.core.db import rows, transaction
from notifier.core.queues import QUEUES
from notifier.maintenance.leader import LEADER_LOCK

log = logging.getLogger(__name__)
router = APIRouter()

#: A lane tells of itself every five seconds; one that has been silent for so long (s) is not there.
FRESH_SECONDS = 30
#: How long (s) a part may take to answer; whoever asks wants to know soon.
PATIENCE = 2.0


@router.get("/health")
def health() -> JSONResponse:
    """200 when all parts are there, else 503; the body says of each part whether it is."""
    parts = {**_database(), "redis": _redis()}
    healthy = all(all(part.values()) if isinstance(part, dict) else part for part in parts.values())
    body = {"status": "ok" if healthy else "unavailable", **parts}
    return JSONResponse(body, 200 if healthy else 503, {"Cache-Control": "no-store"})


def _database() -> dict[str, bool | Mapping[str, bool]]:
    try:
        with transaction(timeout=PATIENCE) as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", (f"{PATIENCE:g}s",))
            (found,) = rows(cursor, "web/health", sweeper_lock=LEADER_LOCK, fresh=FRESH_SECONDS)
        sweeper, queues = bool(found["sweeper"]), set(found["lanes"])
        return {"database": True, "sweeper": sweeper, "lanes": {name: name in queues for name in QUEUES}}
    except Exception as error:
        log.warning("Health: the database does not answer (%s)", type(error).__name__)
        return {"database": False, "sweeper": False, "lanes": dict.fromkeys(QUEUES, False)}


def _redis() -> bool:
    try:
        return bool(_redis_client().ping())
    except Exception as error:
        log.warning("Health: Redis does not answer (%s)", type(error).__name__)
        return False


@cache
def _redis_client() -> redis.Redis:
    """A connection of its own: the broker's waits longer than whoever asks for health."""
    pool = redis.BlockingConnectionPool.from_url(
        settings.text("REDIS_URL", "redis://127.0.0.1:6379/0"),
        max_connections=2,
        timeout=PATIENCE,
        socket_timeout=PATIENCE,
        socket_connect_timeout=PATIENCE,
    )
    return redis.Redis(connection_pool=pool)
