"""``GET /health`` reports whether each part that is needed for sending is up.

The page needs no token and shows only the names of parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import redis
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from leads.logs import get_logger
from notifier.core.db import records, transaction
from notifier.core.queues import QUEUES
from notifier.core.settings import settings
from notifier.maintenance.leader import LEADER_LOCK
from notifier.web.single_flight import SingleFlight

log = get_logger(__name__)
router = APIRouter()

#: Workers send a heartbeat every five seconds. A queue counts as down after this time (s) without a heartbeat.
HEARTBEAT_SECONDS = 30
#: Each part must answer within this time (s).
TIMEOUT = 2.0


@dataclass(frozen=True)
class NotifierHealth:
    """The health of the workers: whether there is a leader, and which queues have a recent heartbeat.

    ``paused`` lists the queues that an operator has paused.
    """

    has_leader: bool
    queues: list[str]
    paused: list[str]


@router.get("/health")
async def health() -> JSONResponse:
    """Respond with 200 if every part is up, and with 503 otherwise. The body says which parts are up.

    The body also says which queues are paused. A paused queue is no fault.
    """
    parts = await _shared_parts()
    needed = [part for name, part in parts.items() if name != "paused"]
    healthy = all(all(part.values()) if isinstance(part, dict) else part for part in needed)
    body = {"status": "ok" if healthy else "unavailable", **parts}
    return JSONResponse(body, 200 if healthy else 503, {"Cache-Control": "no-store"})


def _parts() -> dict[str, bool | Mapping[str, bool]]:
    return {**_database(), "redis": _redis()}


_shared_parts = SingleFlight(_parts, timeout=15)


def _database() -> dict[str, bool | Mapping[str, bool]]:
    try:
        with transaction(timeout=TIMEOUT) as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", (f"{TIMEOUT:g}s",))
            parameters = {"leader_lock": LEADER_LOCK, "seconds": HEARTBEAT_SECONDS}
            (found,) = records(cursor, NotifierHealth, "web/health", **parameters)
        heartbeats = {name: name in found.queues for name in QUEUES}
        paused = {name: name in found.paused for name in QUEUES}
        return {"database": True, "sweeper": found.has_leader, "lanes": heartbeats, "paused": paused}
    except Exception as error:
        log.warning("database_away", error=type(error).__name__)
        nothing = dict.fromkeys(QUEUES, False)
        return {"database": False, "sweeper": False, "lanes": nothing, "paused": nothing}


def _redis() -> bool:
    try:
        return bool(_redis_client().ping())
    except Exception as error:
        log.warning("redis_away", error=type(error).__name__)
        return False


@cache
def _redis_client() -> redis.Redis:
    """Return a separate Redis client, because the broker's client waits longer than a health check may take."""
    pool = redis.BlockingConnectionPool.from_url(
        settings.redis_url.get_secret_value(),
        max_connections=2,
        timeout=TIMEOUT,
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
    )
    return redis.Redis(connection_pool=pool)
