"""Bells: a message in a lane's queue says that something may be due there. It names no delivery."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import dramatiq
import psycopg
import psycopg_pool

from notifier.broker import LaneBroker
from notifier.lanes import EMAIL, SMS, Lane
from notifier.sending import work

log = logging.getLogger(__name__)


def ring(lane: Lane, times: int = 1) -> None:
    """Puts up to ``times`` bells in, while fewer wait than the lane runs at once; raises when Redis is away."""
    broker = dramatiq.get_broker()
    assert isinstance(broker, LaneBroker)
    for _ in range(min(times, lane.concurrency - broker.waiting(lane))):
        BELLS[lane.queue_name].send()


def ring_quietly(lanes: Iterable[Lane]) -> None:
    """Rings, or leaves it to the sweeper: what is due is a row already, and losing a bell only costs a second."""
    for lane in lanes:
        try:
            ring(lane)
        except Exception as error:
            log.warning("Redis does not take the bell of %s (%s): the sweeper will ring", lane.queue_name, error)


def _bell(lane: Lane) -> dramatiq.Actor[[], None]:
    def answer() -> None:
        try:
            work(lane)
        except (psycopg.OperationalError, psycopg_pool.PoolTimeout) as error:
            # The rows are where they were; the sweeper rings again when the database is back.
            log.warning("The database does not answer (%s): %s waits", type(error).__name__, lane.queue_name)

    return dramatiq.Actor(
        answer,
        broker=dramatiq.get_broker(),
        actor_name=lane.bell,
        queue_name=lane.queue_name,
        priority=0,
        options={"max_retries": 0},
    )


BELLS: dict[str, dramatiq.Actor[[], None]] = {}


def hang_bells() -> None:
    """Declares the bell actors of the lanes that send, on the broker that is set."""
    for lane in (EMAIL, SMS):
        BELLS[lane.queue_name] = _bell(lane)
