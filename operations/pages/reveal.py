"""Showing personal data: who looked, at what, and why is recorded in ``operator_actions``."""

from __future__ import annotations

from fastapi import HTTPException
from psycopg.types.json import Jsonb

from operations.pages import database

REASON_LENGTH = 500


class Reason(str):
    """The reason that an operator gives for an action."""

    @classmethod
    def of(cls, given: str) -> Reason:
        """Return a reason on one line. Raises HTTPException (422) if it is blank or too long."""
        reason = " ".join(given.replace("\0", " ").split())
        if not reason:
            raise HTTPException(422, "Give a reason. It is kept with the action.")
        if len(reason) > REASON_LENGTH:
            raise HTTPException(422, f"The reason is too long: at most {REASON_LENGTH} characters.")
        return cls(reason)


def record_reveal(
    connection: database.Connection, actor: str, object_type: str, object_id: int, reason: Reason
) -> None:
    """Record that ``actor`` has looked at the personal data of an object, in the caller's transaction."""
    parameters = {"actor": actor, "object_type": object_type, "id": object_id, "reason": str(reason)}
    connection.execute(database.text("record_reveal"), {**parameters, "parameters": Jsonb({})})
