"""Starts a run of one of our DAGs, as the user who asks for it."""

from __future__ import annotations

from typing import Any

from airflow.api.common.trigger_dag import trigger_dag
from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.exceptions import DagNotFound
from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType
from fastapi import HTTPException
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from leads.clock import now
from operations.pages.access import actor_name


def trigger(dag_id: str, user: BaseUser, conf: dict[str, Any]) -> str:
    """Start a run of a DAG and return the run's id.

    Raises HTTPException if the user may not start it (403), or if the DAG is missing or paused (409).
    """
    details = DagDetails(id=dag_id)
    may = get_auth_manager().is_authorized_dag(
        method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user
    )
    if not may:
        raise HTTPException(403, f"Your role may not start {dag_id}.")
    _check_startable(dag_id)
    try:
        run = trigger_dag(
            dag_id,
            triggered_by=DagRunTriggeredByType.UI,
            triggering_user_name=actor_name(user),
            run_after=now(),
            conf={name: value for name, value in conf.items() if value is not None},
        )
    except (DagNotFound, ValueError) as error:
        raise HTTPException(409, f"Airflow cannot start {dag_id}: {error}") from error
    return str(run.run_id) if run is not None else ""


def _check_startable(dag_id: str) -> None:
    try:
        with create_session() as session:
            is_paused = session.scalar(select(DagModel.is_paused).where(DagModel.dag_id == dag_id))
    except SQLAlchemyError as error:
        raise HTTPException(503, "Airflow's own database does not answer. Try again when it is back.") from error
    if is_paused is None:
        raise HTTPException(409, f"Airflow does not know the DAG {dag_id}. Check the import errors in Airflow.")
    if is_paused:
        raise HTTPException(409, f"The DAG {dag_id} is paused. Unpause it in Airflow, then try again.")
