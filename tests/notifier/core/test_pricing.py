"""Only the database declares the price of a call."""

from __future__ import annotations

import pytest

from notifier.core import db, pricing
from tests.notifier.system import System
from tests.servers.postgres import Database


@pytest.mark.parametrize(("minutes", "tokens"), [("3", 20), ("2", 20), ("4", 25), ("10", 55)])
def test_a_call_holds_what_its_longest_length_costs(
    notifier_settings: pytest.MonkeyPatch, minutes: str, tokens: int
) -> None:
    notifier_settings.setenv("CALL_MAX_MINUTES", minutes)
    assert pricing.call_hold() == tokens


def test_the_hold_follows_the_databases_price_and_asks_for_it_once(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    pricing._price.cache_clear()
    system.database.connection.execute(
        "CREATE OR REPLACE FUNCTION call_tokens(seconds integer) RETURNS integer LANGUAGE sql AS 'SELECT 7'"
    )
    assert pricing.call_hold() == 7
    monkeypatch.setattr(pricing, "run", lambda *_, **__: pytest.fail("asked again"))
    assert pricing.call_hold() == 7
    pricing._price.cache_clear()
    db.close()


def test_a_call_of_the_included_minutes_costs_the_price_of_its_kind(database: Database) -> None:
    (same,) = database.connection.execute(
        "SELECT array_agg(DISTINCT tokens) = ARRAY[call_tokens(180)] FROM delivery_kinds WHERE channel = 'voice'"
    ).fetchone() or (False,)
    assert same
