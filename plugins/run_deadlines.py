"""An Airflow plugin: deadlines that are measured from a scheduled run's slot.

Airflow 3.3's own deadline references do not work here: with some of them, all runs of a backfill are late at once, and
with the others, *Clear run* breaks. Airflow stores the module's name with a deadline, so DAG files must also import the
module under this name.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import BaseDeadlineReference  # type: ignore[attr-defined]  # its stub leaves it out

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class ScheduledSlot(BaseDeadlineReference):
    """The slot of a scheduled run. Backfills and manual runs have no slot and therefore no deadline."""

    required_kwargs = {"dag_id", "run_id"}  # noqa: RUF012 (Airflow's own declaration)

    def _evaluate_with(self, *, session: Session, **run: Any) -> datetime | None:
        from airflow.models.dagrun import DagRun  # only Airflow's core processes run this method
        from sqlalchemy import select

        found = session.execute(
            select(DagRun.run_type, DagRun.run_after).where(
                DagRun.dag_id == run["dag_id"], DagRun.run_id == run["run_id"]
            )
        ).one_or_none()
        if found is None or str(getattr(found.run_type, "value", found.run_type)) != "scheduled":
            return None
        moment: datetime = found.run_after
        return moment


class RunDeadlines(AirflowPlugin):
    """Registers the deadline reference with Airflow."""

    name = "run_deadlines"
    deadline_references = [ScheduledSlot]  # noqa: RUF012 (Airflow's own declaration)
