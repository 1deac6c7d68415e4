"""The token ledger's entries always add up to the balance, and subscribers pay only for deliveries that were sent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.servers.postgres import Database


def subscriber(database: Database, tokens: int = 0) -> int:
    row = database.connection.execute(
        "INSERT INTO users (email, token_balance, subscription_status) VALUES ('s@example.test', %s, 'active')"
        " RETURNING id",
        (tokens,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def balance(database: Database, user: int) -> int:
    row = database.connection.execute(
        "SELECT token_balance, by_entries FROM token_balances WHERE user_id = %s", (user,)
    ).fetchone()
    assert row is not None
    assert row[0] == row[1], "balance and entries differ"
    return int(row[0])


def entries(database: Database, user: int) -> list[tuple[str, int]]:
    return database.connection.execute(
        "SELECT entry, tokens FROM token_entries WHERE user_id = %s ORDER BY id", (user,)
    ).fetchall()


def open_one(
    connection: psycopg.Connection, kind: str, user: int, key: str, priority: int = 0
) -> tuple[int, str, bool]:
    row = connection.execute(
        "SELECT delivery_id, state, opened FROM open_deliveries(ARRAY["
        "ROW (%s, %s, NULL, %s, %s, NULL, NULL, NULL)::delivery_request])",
        (kind, user, key, priority),
    ).fetchone()
    assert row is not None
    return row


def test_a_balance_set_by_anyone_leaves_an_entry(database: Database) -> None:
    user = subscriber(database, 100)
    database.connection.execute("UPDATE users SET token_balance = 150 WHERE id = %s", (user,))
    database.connection.execute("UPDATE users SET token_balance = 30 WHERE id = %s", (user,))
    assert entries(database, user) == [("grant", 100), ("grant", 50), ("adjust", -120)]
    assert balance(database, user) == 30


def test_an_entry_written_by_anyone_moves_the_balance(database: Database) -> None:
    user = subscriber(database, 5)
    database.connection.execute("INSERT INTO token_entries (user_id, entry, tokens) VALUES (%s, 'grant', 20)", (user,))
    assert balance(database, user) == 25


def test_a_delivery_holds_its_price_and_settles_it_once(database: Database) -> None:
    user = subscriber(database, 12)
    delivery, state, opened = open_one(database.connection, "urgent_lead_sms", user, "k")
    assert (state, opened) == ("queued", True)
    assert balance(database, user) == 2
    for _ in range(2):
        database.connection.execute("SELECT settle_tokens(ARRAY[%s]::bigint[])", (delivery,))
        database.connection.execute("SELECT release_tokens(ARRAY[%s]::bigint[], 'late')", (delivery,))
    assert balance(database, user) == 2
    assert entries(database, user) == [("grant", 12), ("hold", 10), ("settle", 10)]


def test_the_hold_of_an_unsent_delivery_is_released_once(database: Database) -> None:
    user = subscriber(database, 10)
    delivery, _, _ = open_one(database.connection, "urgent_lead_sms", user, "k")
    for _ in range(2):
        database.connection.execute("SELECT cancel_deliveries(ARRAY[%s]::bigint[], 'test')", (delivery,))
        database.connection.execute("SELECT settle_tokens(ARRAY[%s]::bigint[])", (delivery,))
    assert balance(database, user) == 10
    assert entries(database, user) == [("grant", 10), ("hold", 10), ("release", 10)]


def test_a_repeated_dedupe_key_returns_the_existing_delivery(database: Database) -> None:
    user = subscriber(database, 5)
    first = open_one(database.connection, "new_lead_alert", user, "k")
    again = open_one(database.connection, "new_lead_alert", user, "k")
    assert again == (first[0], "queued", False)
    assert balance(database, user) == 4


def test_too_few_tokens_leave_a_skipped_row_and_no_hold(database: Database) -> None:
    user = subscriber(database, 9)
    assert open_one(database.connection, "urgent_lead_sms", user, "k")[1] == "skipped"
    assert balance(database, user) == 9
    code = database.connection.execute("SELECT error_code FROM deliveries").fetchone()
    assert code == ("insufficient_tokens",)


def test_scarce_tokens_go_to_the_best_leads_and_an_unpaid_sms_stops_no_email(database: Database) -> None:
    user = subscriber(database, 12)
    requests = [
        ("urgent_lead_sms", "sms 90", 90),
        ("new_lead_alert", "mail 85", 85),
        ("urgent_lead_sms", "sms 95", 95),
        ("new_lead_alert", "mail 70", 70),
        ("new_lead_alert", "mail 60", 60),
    ]
    rows = database.connection.execute(
        "SELECT dedupe_key, state FROM open_deliveries((SELECT array_agg(ROW (kind, %s, NULL, key, priority,"
        " NULL, NULL, NULL)::delivery_request) FROM unnest(%s::text[], %s::text[], %s::int[])"
        " AS r (kind, key, priority)))",
        (user, [r[0] for r in requests], [r[1] for r in requests], [r[2] for r in requests]),
    ).fetchall()
    assert dict(rows) == {
        "sms 95": "queued",
        "sms 90": "skipped",
        "mail 85": "queued",
        "mail 70": "queued",
        "mail 60": "skipped",
    }
    assert balance(database, user) == 0


def test_fifty_concurrent_requests_for_a_balance_of_six_sms_hold_six(database: Database) -> None:
    user = subscriber(database, 60)

    def request(number: int) -> str:
        with psycopg.connect(database.url, autocommit=True) as connection:
            return open_one(connection, "urgent_lead_sms", user, f"k{number}")[1]

    with ThreadPoolExecutor(10) as threads:
        states = list(threads.map(request, range(50)))
    assert states.count("queued") == 6
    assert balance(database, user) == 0


def test_the_balance_never_goes_below_zero(database: Database) -> None:
    user = subscriber(database, 5)
    with pytest.raises(psycopg.errors.CheckViolation):
        database.connection.execute("UPDATE users SET token_balance = -1 WHERE id = %s", (user,))


@pytest.mark.parametrize("change", ["UPDATE token_entries SET tokens = 1", "DELETE FROM token_entries"])
def test_the_ledger_is_append_only(database: Database, change: str) -> None:
    subscriber(database, 5)
    with pytest.raises(psycopg.errors.RaiseException, match="append only"):
        database.connection.execute(change)


def test_an_unknown_subscriber_enqueues_nothing(database: Database) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        open_one(database.connection, "new_lead_alert", 4711, "k")
    assert database.connection.execute("SELECT count(*) FROM deliveries").fetchone() == (0,)


def test_the_former_systems_logs_have_their_columns(database: Database) -> None:
    for view, columns in {
        "email_logs": "user_id, email_type, sendgrid_message_id, recipient_email, status, sent_at",
        "sms_logs": "user_id, sms_type, twilio_message_sid, recipient_phone, message_body, status, sent_at",
        "voice_call_logs": "subscriber_id, lead_id, twilio_call_sid, direction, from_number, to_number,"
        " status, created_at",
        "token_usage_logs": "user_id, action_type, tokens_used, entity_id, entity_type, created_at",
    }.items():
        database.connection.execute(f"SELECT {columns} FROM {view}")


@pytest.mark.parametrize(
    ("lead_type", "age", "equity", "engagement", "score"),
    [
        ("probate", 0, None, 0, 95),
        ("foreclosure", 30, 99_999, 0, 90),
        ("foreclosure", 31, 100_000, 0, 83),
        ("eviction", 60, None, 2, 60),
        ("eviction", 61, None, None, 38),
        ("verdict", 91, None, 9, 17),
        ("probate", 0, 500_000, 50, 100),
        ("new_homeowner", 0, -1, 0, 85),
    ],
)
def test_lead_score(
    database: Database, lead_type: str, age: int, equity: int | None, engagement: int | None, score: int
) -> None:
    row = database.connection.execute(
        "SELECT calculate_lead_score(%s, new_york_day(now()) - %s::int, %s::numeric, %s::integer)",
        (lead_type, age, equity, engagement),
    ).fetchone()
    assert row == (score,)
