"""Dead letters for whoever looks at them: list, show, replay, dismiss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg.rows import DictRow

from leads import settings
from notifier.core.db import rows, transaction


def listed(*, state: str | None = "open", queue: str | None = None, limit: int = 50) -> list[DictRow]:
    """The newest dead letters, of one ``state`` (None: all) and queue."""
    with transaction() as cursor:
        return rows(cursor, "deliveries/list_dead_letters", state=state, queue=queue, limit=limit)


def shown(job_id: int) -> dict[str, Any] | None:
    """A dead letter with its delivery, the ledger's entries and the provider's events; None when there is none."""
    with transaction() as cursor:
        found = rows(cursor, "deliveries/show_dead_letter", id=job_id)
    return dict(found[0]) if found else None


def replay(job_ids: Sequence[int]) -> dict[int, str]:
    """Tries the deliveries again, with new holds; says of each ``replayed`` or why not. The sweeper rings for them."""
    with transaction() as cursor:
        cursor.execute("SELECT * FROM replay_dead_letters(%s, %s)", (list(job_ids), settings.time_scale()))
        return {row["job_id"]: row["outcome"] for row in cursor.fetchall()}


def dismiss(job_ids: Sequence[int]) -> int:
    """Closes open dead letters without another try; returns how many were."""
    with transaction() as cursor:
        cursor.execute(
            "UPDATE failed_jobs SET state = 'dismissed' WHERE id = ANY (%s) AND state = 'open'", (list(job_ids),)
        )
        return cursor.rowcount
