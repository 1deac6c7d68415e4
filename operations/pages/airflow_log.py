"""Writes operators' actions to Airflow's audit log too, where administrators look."""

from __future__ import annotations

import json
from collections.abc import Mapping

from leads.logs import get_logger
from leads.redaction import where

log = get_logger(__name__)


def record_in_airflow(actor: str, action: str, extra: Mapping[str, object]) -> None:
    """Write one event. Runs after the answer; if Airflow's database is away, only Airflow's log misses the action."""
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    try:
        with create_session() as session:
            session.add(Log(event=f"operations.{action}", owner=actor, extra=json.dumps(extra)))
    except Exception as error:
        log.warning("action_not_in_airflow_log", error=where(error))
