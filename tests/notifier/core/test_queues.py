"""Every list of queues or kinds agrees with the declarations in ``notifier.core.queues``."""

from __future__ import annotations

import dramatiq

import notifier
from notifier.actors.delivery import DeliveryActor
from notifier.actors.drain import SENDERS
from notifier.core.queues import KINDS, QUEUES
from operations.monitoring import queue_metrics
from tests.local import test_compose
from tests.servers.postgres import Database


def test_the_database_declares_the_same_kinds(database: Database) -> None:
    rows = database.connection.execute("SELECT kind, queue_name, channel FROM delivery_kinds ORDER BY kind").fetchall()
    assert rows == [(kind, queue.queue_name, queue.channel) for kind, queue in sorted(KINDS.items())]


def test_metrics_and_deployment_name_the_same_queues() -> None:
    assert set(queue_metrics.QUEUES) == set(QUEUES)
    assert {name: queue.concurrency for name, queue in QUEUES.items()} == test_compose.QUEUES


def test_each_kind_has_a_sender_and_an_actor_on_its_queue() -> None:
    assert set(SENDERS) == set(KINDS)
    actors = dramatiq.get_broker().actors
    assert {name for name, actor in actors.items() if isinstance(actor, DeliveryActor)} == set(KINDS)
    assert {kind: actors[kind].queue_name for kind in KINDS} == {k: queue.queue_name for k, queue in KINDS.items()}
    assert all(getattr(notifier, kind) is actors[kind] for kind in KINDS)


def test_each_queue_with_deliveries_has_a_drain_actor() -> None:
    actors = dramatiq.get_broker().actors
    for queue in QUEUES.values():
        assert (queue.drain_actor in actors) is (queue.channel is not None), queue.queue_name
        if queue.channel is not None:
            assert actors[queue.drain_actor].queue_name == queue.queue_name
