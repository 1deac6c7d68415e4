"""Each kind's declaration in the code agrees with the kind's row in the database."""

from __future__ import annotations

from notifier.channels.email import EMAIL_KINDS
from notifier.channels.sms import SMS_KINDS
from tests.servers.postgres import Database


def test_each_kind_is_declared_for_its_channel_and_optional_on_both_sides(database: Database) -> None:
    rows = database.connection.execute(
        "SELECT kind, channel, is_optional FROM delivery_kinds WHERE channel <> 'voice'"
    ).fetchall()
    emails = {(kind.name, "email", kind.is_optional) for kind in EMAIL_KINDS}
    assert set(rows) == emails | {(kind.name, "sms", False) for kind in SMS_KINDS}
