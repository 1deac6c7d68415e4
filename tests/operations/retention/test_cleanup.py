"""The clean-up archives exactly the expired rows, then removes them. A crash never loses or duplicates a row."""

from __future__ import annotations

import gzip
import json
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import psycopg
import pytest

from county.archive import Archive, FileArchive
from county.errors import ArchiveUnavailable, PermanentIngestionError
from operations.retention import archiving
from operations.retention.archiving import ArchiveDiffers
from operations.retention.cleanup import clean_up
from operations.retention.rules import ARCHIVED_LOG_DAYS, KEPT, RULES, STAGING, STAGING_DAYS
from tests.rows import Rows

NOW = datetime.now(UTC)


@pytest.fixture
def archive(tmp_path: Path) -> FileArchive:
    return FileArchive(tmp_path / "archive")


def clean(rows: Rows, archive: Archive, **options: Any) -> dict[str, int]:
    given: dict[str, Any] = {"moment": NOW, "dry_run": False} | options
    return clean_up(rows.database.connection, archive, **given)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def archived(archive: FileArchive, rule: str) -> list[dict[str, Any]]:
    """Return all archived rows below ``logs/<rule>``."""
    files = sorted((archive.root / "logs" / rule).glob("*/*.jsonl.gz"))
    return [json.loads(line) for file in files for line in gzip.open(file, "rt", encoding="utf-8")]


def a_delivery(rows: Rows, *, age: float = 91, state: str = "delivered", channel: str = "email", **values: Any) -> int:
    number = rows.one("SELECT count(*) FROM deliveries")
    kind = {"email": "new_lead_alert", "sms": "urgent_lead_sms", "voice": "outbound_call"}[channel]
    given = {
        "dedupe_key": f"key-{number}", "provider_id": f"p-{number}", "error_code": "30003", "error_message": "x",
        "recipient": "a@example.com", "sender": "leads@example.com", "body": "a\\b \"c\"\n", "params": {"day": "x"},
        "created_at": ago(age), "tokens": 1,
    }  # fmt: skip
    made = rows.insert("deliveries", channel=channel, kind=kind, state=state, **given | values)
    for event in ("sent", "delivered"):
        rows.insert("delivery_events", delivery_id=made, provider="x", event=event, event_key=f"{made}-{event}")
    return made


def test_an_old_delivery_is_archived_with_its_events_and_emptied(rows: Rows, archive: FileArchive) -> None:
    user = rows.user()
    made = a_delivery(rows, subscriber_id=user)
    before = rows.one("SELECT to_jsonb(d) FROM deliveries d")
    assert clean(rows, archive)["deliveries"] == 1
    kept = rows.one("SELECT to_jsonb(d) FROM deliveries d")
    gone = {"provider_id", "error_code", "error_message", "recipient", "sender", "body"}
    assert {name for name in kept if kept[name] != before[name]} == gone | {"params", "emptied_at"}
    assert all(kept[name] is None for name in gone)
    assert kept["params"] == {}
    assert rows.one("SELECT count(*) FROM delivery_events") == 0
    (row,) = archived(archive, "deliveries")
    assert [event["event"] for event in row["events"]] == ["sent", "delivered"]
    assert (row["id"], row["body"], row["recipient"]) == (made, 'a\\b "c"\n', "a@example.com")
    assert rows.one("SELECT count(*) FROM email_logs") == 0


def test_an_old_call_is_archived_and_emptied_and_leaves_the_log_of_calls(rows: Rows, archive: FileArchive) -> None:
    numbers: dict[str, Any] = {"recipient": "+13055550123", "sender": "+13055550100"}
    made = a_delivery(rows, channel="voice", dedupe_key="call:1:2:3:r", **numbers)
    recent = a_delivery(rows, channel="voice", age=10, **numbers)
    assert clean(rows, archive)["deliveries"] == 1
    (row,) = archived(archive, "deliveries")
    assert (row["id"], row["recipient"], len(row["events"])) == (made, "+13055550123", 2)
    kept = rows.one("SELECT to_jsonb(d) FROM deliveries d WHERE id = %(made)s", made=made)
    assert (kept["recipient"], kept["sender"], kept["provider_id"], kept["params"]) == (None, None, None, {})
    assert (kept["dedupe_key"], kept["state"], kept["tokens"]) == ("call:1:2:3:r", "delivered", 1)
    assert rows.all("SELECT twilio_call_sid FROM voice_call_logs") == [f"p-{recent - made}"]


def test_only_events_without_a_delivery_are_archived_and_deleted(rows: Rows, archive: FileArchive) -> None:
    a_delivery(rows, age=10)
    stray = rows.insert(
        "delivery_events", provider="twilio", event="sent", event_key="k", provider_id="SM1", received_at=ago(91)
    )
    rows.database.connection.execute("UPDATE delivery_events SET received_at = %s", (ago(91),))
    assert clean(rows, archive)["stray_events"] == 1
    (row,) = archived(archive, "stray_events")
    assert (row["id"], row["provider_id"]) == (stray, "SM1")
    assert rows.all("SELECT delivery_id IS NULL FROM delivery_events") == [False, False]


def test_what_prevents_the_replay_of_stop_and_start_is_never_removed(rows: Rows, archive: FileArchive) -> None:
    for event in ("stop", "start"):
        rows.insert("delivery_events", provider="twilio", event=event, event_key=f"SM1:{event}", received_at=ago(5_000))
    assert clean(rows, archive)["stray_events"] == 0
    assert rows.one("SELECT count(*) FROM delivery_events") == 2


@pytest.mark.parametrize(
    ("table", "column", "values"),
    [
        ("miami_dade_api_logs", "created_at", {"query_type": "folio"}),
        ("queue_metrics", "recorded_at", {"queue_name": "x"}),
        ("failed_jobs", "failed_at", {"state": "dismissed"}),
        ("rejected_records", "created_at", {"feed": "daily", "business_date": "2020-01-01", "file_name": "x"}),
        ("unmatched_records", "created_at", {"feed": "d", "business_date": "2020-01-01"}),
        ("task_failures", "failed_at", {"dag_id": "x", "run_id": "x", "task_id": "x"}),
        ("oncall_alerts", "last_sent_at", {"severity": "warning", "subject": "x", "message": "x"}),
    ],
)
def test_rows_are_removed_after_exactly_ninety_days(
    rows: Rows, archive: FileArchive, table: str, column: str, values: dict[str, Any]
) -> None:
    made = {}
    for age in (89, 89.99, 90.01, 91):
        unique = {"unmatched_records": "source_reference", "oncall_alerts": "fingerprint"}
        key = {unique[table]: str(age)} if table in unique else {}
        made[age] = rows.insert(table, **values | key, **{column: ago(age)})
    clean(rows, archive)
    assert rows.all(f"SELECT id FROM {table} ORDER BY id") == [made[89], made[89.99]]


def test_a_delivery_is_kept_complete_for_ninety_days(rows: Rows, archive: FileArchive) -> None:
    for age in (89, 89.99, 90.01, 91):
        a_delivery(rows, age=age)
    clean(rows, archive)
    whole = rows.all("SELECT emptied_at IS NULL AND body IS NOT NULL FROM deliveries ORDER BY id")
    assert whole == [True, True, False, False]


def test_unfinished_and_permanent_rows_stay(rows: Rows, archive: FileArchive) -> None:
    for state in ("queued", "sending", "unknown"):
        a_delivery(rows, state=state, age=400)
    for state in ("accepted", "sent"):
        a_delivery(rows, channel="voice", state=state, age=400)
    rows.insert("failed_jobs", state="open", failed_at=ago(400))
    rows.insert("data_ingestion_logs", ingestion_type="daily_ftp", created_at=ago(4000), started_at=ago(4000))
    user = rows.user(created_at=ago(4000))
    rows.database.connection.execute("SET session_replication_role = replica")
    rows.insert("token_entries", user_id=user, entry="grant", tokens=5, created_at=ago(4000))
    rows.database.connection.execute("RESET session_replication_role")
    assert not any(clean(rows, archive).values())
    assert rows.one("SELECT count(*) FROM deliveries WHERE emptied_at IS NULL") == 5
    assert rows.one("SELECT count(*) FROM delivery_events") == 10


def test_after_a_clean_up_nothing_is_sent_or_charged_again(rows: Rows, archive: FileArchive) -> None:
    user, lead = rows.user(token_balance=10), rows.lead()
    key = f"lead:{lead}:user:{user}:new_lead_alert"
    request = (
        "SELECT o.opened, o.state FROM open_deliveries(ARRAY[ROW ('new_lead_alert', %(user)s::bigint, %(lead)s::bigint,"
        " %(key)s::text, NULL, NULL, NULL, NULL)::delivery_request]) o"
    )
    assert rows.one(request, user=user, lead=lead, key=key) == (True, "queued")
    made = rows.one("SELECT id FROM deliveries")
    rows.database.connection.execute("SELECT settle_tokens(ARRAY[%s::bigint])", (made,))
    rows.database.connection.execute("UPDATE deliveries SET state = 'delivered', created_at = %s", (ago(100),))
    assert clean(rows, archive)["deliveries"] == 1
    assert rows.one(request, user=user, lead=lead, key=key) == (False, "delivered")
    assert rows.one("SELECT token_balance = 9 AND by_entries = 9 FROM token_balances")
    assert rows.one("SELECT count(*) FROM token_usage_logs WHERE entity_id = %(lead)s", lead=lead) == 1
    assert clean(rows, archive)["deliveries"] == 0


def test_used_units_of_subscribers_are_removed_after_ninety_days(rows: Rows, archive: FileArchive) -> None:
    user = rows.user()
    for age in (1, 89, 92, 93):
        rows.database.connection.execute(
            "INSERT INTO subscriber_unit_budget (day, subscriber_id, used) VALUES (%s, %s, 1)", (ago(age).date(), user)
        )
    assert clean(rows, archive, batch=1)["subscriber_units"] == 2
    assert rows.all("SELECT day FROM subscriber_unit_budget ORDER BY day DESC") == [ago(1).date(), ago(89).date()]


def court_record(rows: Rows, record_type: str, age: float) -> None:
    rows.database.connection.execute(
        "INSERT INTO court_records (record_type, case_number, business_date, entry, party_name, counterparty_name,"
        " is_disposed, address, is_live)"
        " VALUES (%s, %s, %s, 1, 'TINA TENANT', 'LARRY LANDLORD', true, '1 SW 8 ST', true)",
        (record_type, f"{age}", ago(age).date()),
    )


@pytest.mark.parametrize(
    ("record_type", "names"),
    [
        ("eviction", {1: (True, True), 363: (True, True), 367: (False, True), 732: (False, False)}),
        ("verdict", {1: (True, True), 363: (True, True), 367: (True, True), 732: (False, False)}),
    ],
)
def test_names_in_court_records_are_emptied_tenants_first_and_the_case_stays(
    rows: Rows, archive: FileArchive, record_type: str, names: dict[int, tuple[bool, bool]]
) -> None:
    for age in names:
        court_record(rows, record_type, age)
    expected = sum(flags != (True, True) for flags in names.values())
    counted = clean(rows, archive, dry_run=True)
    assert rows.one("SELECT count(party_name) FROM court_records") == len(names)
    done = clean(rows, archive, batch=1)
    assert done["tenants"] + done["court_parties"] == expected + (record_type == "eviction")
    assert counted["tenants"] == done["tenants"]
    found = rows.all(
        "SELECT case_number::integer, party_name IS NOT NULL, counterparty_name IS NOT NULL FROM court_records"
        " WHERE is_disposed AND is_live AND address = '1 SW 8 ST'"
    )
    assert {age: tuple(flags) for age, *flags in found} == names
    assert not any(clean(rows, archive).values()), "the next night has nothing to do"


def test_an_alert_that_waits_to_be_sent_stays(rows: Rows, archive: FileArchive) -> None:
    told = {"severity": "warning", "subject": "x", "message": "x", "last_sent_at": ago(91)}
    rows.insert("oncall_alerts", **told | {"fingerprint": "never sent", "last_sent_at": None, "opened_at": ago(91)})
    rows.insert("oncall_alerts", **told | {"fingerprint": "recovered", "recovery": "it works again"})
    rows.insert("oncall_alerts", **told | {"fingerprint": "sending", "sending_since": ago(91)})
    rows.insert("oncall_alerts", **told | {"fingerprint": "old"})
    assert clean(rows, archive)["alerts"] == 1
    assert rows.all("SELECT fingerprint FROM oncall_alerts ORDER BY 1") == ["never sent", "recovered", "sending"]


def test_archived_logs_are_removed_after_two_years_and_county_files_never(rows: Rows, archive: FileArchive) -> None:
    old, recent = f"{ago(732):%Y-%m-%d}", f"{ago(728):%Y-%m-%d}"
    names = [f"logs/deliveries/{old}/1.jsonl.gz", f"logs/deliveries/{recent}/2.jsonl.gz", f"daily/{old}/Cases.exp"]
    for name in names:
        with tempfile.TemporaryFile() as file:
            archive.put(name, file)
    assert clean(rows, archive, dry_run=True)["archived_logs"] == 1
    assert (archive.root / names[0]).exists()
    assert clean(rows, archive)["archived_logs"] == 1
    assert [(archive.root / name).exists() for name in names] == [False, True, True]


def tables_of_the_database(rows: Rows) -> set[str]:
    query = "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition"
    return set(rows.all(f"{query} AND relnamespace = 'public'::regnamespace"))


def test_every_table_has_a_rule_or_a_reason_to_be_kept(rows: Rows) -> None:
    ruled = {rule.table for rule in RULES}
    assert tables_of_the_database(rows) == ruled | STAGING | set(KEPT), (
        "add a new table to operations/retention/rules.py"
    )
    assert not (ruled & set(KEPT) or ruled & STAGING or STAGING & set(KEPT)), "a table has one rule"


def test_the_page_says_what_the_rules_say(rows: Rows) -> None:
    text = (Path(__file__).parents[3] / "docs" / "retention.md").read_text("utf-8")
    lines = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", text, re.MULTILINE)
    said = {table: (kept, reason) for table, kept, reason in lines}
    assert set(said) == tables_of_the_database(rows)
    for rule in RULES:
        assert f"{rule.days} days" in said[rule.table][0], rule.name
    assert {said[table][0] for table in STAGING} == {f"{STAGING_DAYS} days"}
    assert {table: said[table] for table in KEPT} == {table: ("kept", reason) for table, reason in KEPT.items()}
    assert f"`logs/` in the archive are removed after {ARCHIVED_LOG_DAYS} days" in text.replace("\n", " ")
    assert f'"age": {ARCHIVED_LOG_DAYS}' in text, "the lifecycle rule of the bucket"


def test_a_dry_run_counts_and_changes_nothing(rows: Rows, archive: FileArchive) -> None:
    for _ in range(3):
        a_delivery(rows)
    rows.insert("queue_metrics", queue_name="x", recorded_at=ago(91))
    done = clean(rows, archive, dry_run=True)
    assert (done["deliveries"], done["queue_metrics"]) == (3, 1)
    assert not archive.root.exists()
    assert rows.one("SELECT count(*) FROM deliveries WHERE emptied_at IS NULL") == 3
    assert rows.one("SELECT count(*) FROM queue_metrics") == 1
    assert rows.one("SELECT count(*) FROM cleanup_batches") == 0


def api_logs(rows: Rows, count: int) -> None:
    rows.database.connection.execute(
        "INSERT INTO miami_dade_api_logs (query_type, query_params, created_at)"
        " SELECT 'folio', jsonb_build_object('folio', n), %s FROM generate_series(1, %s) AS n",
        (ago(91), count),
    )


def test_rows_are_removed_in_batches_and_each_is_archived_once(rows: Rows, archive: FileArchive) -> None:
    api_logs(rows, 250)
    rows.database.connection.execute(
        "INSERT INTO rejected_records (feed, business_date, file_name, created_at)"
        " SELECT 'daily', '2026-01-01', 'x', %s FROM generate_series(1, 250)",
        (ago(91),),
    )
    done = clean(rows, archive, batch=100)
    assert (done["api_logs"], done["rejected_records"]) == (250, 250)
    assert rows.all("SELECT rows FROM cleanup_batches ORDER BY id") == [100, 100, 50]
    assert sorted(row["query_params"]["folio"] for row in archived(archive, "api_logs")) == list(range(1, 251))
    assert rows.one("SELECT count(*) FROM miami_dade_api_logs") == 0
    assert rows.one("SELECT count(*) FROM rejected_records") == 0


class Dies(Exception):
    """Raised to simulate a killed process."""


def die(*_: Any, **__: Any) -> Any:
    raise Dies


def put_and_die(archive: FileArchive) -> Callable[[str, BinaryIO], None]:
    def put(name: str, source: BinaryIO) -> None:
        FileArchive.put(archive, name, source)
        raise Dies

    return put


@pytest.mark.parametrize("step", ["_write", "put", "put_and_die", "_read", "_remove"])
def test_a_crash_between_the_steps_loses_and_doubles_nothing(
    rows: Rows, archive: FileArchive, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    api_logs(rows, 30)
    with monkeypatch.context() as crash:
        if step.startswith("put"):
            crash.setattr(archive, "put", put_and_die(archive) if step == "put_and_die" else die)
        else:
            crash.setattr(archiving, step, die)
        with pytest.raises(Dies):
            clean(rows, archive, batch=20)
    assert rows.one("SELECT count(*) FROM miami_dade_api_logs") == 30, "nothing is removed before it is read back"
    api_logs(rows, 5)  # Rows that expire later must not be added to the unfinished batch.
    assert clean(rows, archive, batch=20)["api_logs"] == 35
    found = Counter(row["id"] for row in archived(archive, "api_logs"))
    assert len(found) == 35
    assert set(found.values()) == {1}
    assert rows.one("SELECT count(*) FROM cleanup_batches WHERE removed_at IS NULL") == 0


def test_a_row_that_changes_after_it_was_archived_stays_and_is_archived_again(
    rows: Rows, archive: FileArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = a_delivery(rows, state="sent"), a_delivery(rows, state="sent")
    read = archiving._read

    def a_callback_comes_in(*arguments: Any) -> Any:
        contents = read(*arguments)
        with psycopg.connect(rows.database.url) as other:
            other.execute("UPDATE deliveries SET state = 'delivered' WHERE id = %s", (first,))
        return contents

    with monkeypatch.context() as late:
        late.setattr(archiving, "_read", a_callback_comes_in)
        clean(rows, archive)
    assert rows.all("SELECT id FROM deliveries WHERE emptied_at IS NOT NULL ORDER BY id") == [first, second]
    assert [row["state"] for row in archived(archive, "deliveries")] == ["sent", "sent", "delivered"]


def test_a_row_that_changes_after_a_crash_stays_and_is_archived_again(
    rows: Rows, archive: FileArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    api_logs(rows, 3)
    with monkeypatch.context() as crash:
        crash.setattr(archive, "put", put_and_die(archive))
        with pytest.raises(Dies):
            clean(rows, archive)
    changed = rows.one("UPDATE miami_dade_api_logs SET units_consumed = 2 WHERE id = (SELECT max(id) FROM"
                       " miami_dade_api_logs) RETURNING id")  # fmt: skip
    assert clean(rows, archive)["api_logs"] == 3
    units = [(row["id"], row["units_consumed"]) for row in archived(archive, "api_logs")]
    assert len(units) == 4
    assert units[-1] == (changed, 2)
    assert rows.one("SELECT array_agg(removed ORDER BY id) FROM cleanup_batches") == [2, 1]


def test_rows_are_kept_when_the_archive_returns_other_content(
    rows: Rows, archive: FileArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    api_logs(rows, 30)
    put = FileArchive.put

    def damage(name: str, source: BinaryIO) -> None:
        put(archive, name, source)
        path = archive.root / name
        path.write_bytes(gzip.compress(b"".join(gzip.decompress(path.read_bytes()).splitlines(True)[:-1])))

    with monkeypatch.context() as fault:
        fault.setattr(archive, "put", damage)
        with pytest.raises(ArchiveDiffers, match="size or checksum"):
            clean(rows, archive)
    (found,) = (archive.root / "logs" / "api_logs").glob("*/*")
    found.write_bytes(found.read_bytes()[:-9])
    with pytest.raises(ArchiveDiffers, match="damaged"):
        clean(rows, archive)
    assert rows.one("SELECT count(*) FROM miami_dade_api_logs") == 30
    found.unlink()
    assert clean(rows, archive)["api_logs"] == 30


def test_rows_are_kept_when_the_archive_does_not_answer(rows: Rows, tmp_path: Path) -> None:
    api_logs(rows, 3)
    (tmp_path / "archive").write_text("no folder")
    with pytest.raises((PermanentIngestionError, ArchiveUnavailable)):
        clean(rows, FileArchive(tmp_path / "archive"))
    assert rows.one("SELECT count(*) FROM miami_dade_api_logs") == 3


def test_only_one_of_two_concurrent_clean_ups_runs(rows: Rows, archive: FileArchive) -> None:
    with psycopg.connect(rows.database.url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(hashtext('operations:cleanup'))")
        with pytest.raises(PermanentIngestionError, match="another clean-up is running"):
            clean(rows, archive)
        other.execute("SELECT pg_advisory_unlock(hashtext('operations:cleanup'))")
        clean(rows, archive)


def test_a_run_for_an_old_date_removes_only_rows_that_were_too_old_then(rows: Rows, archive: FileArchive) -> None:
    for age in (95, 110):
        rows.insert("queue_metrics", queue_name="x", recorded_at=ago(age))
    assert clean(rows, archive, moment=ago(10))["queue_metrics"] == 1


def test_staging_of_failed_runs_is_dropped_after_two_weeks_without_waiting(rows: Rows, archive: FileArchive) -> None:
    def staged(status: str, age: float) -> str:
        ingestion = rows.insert(
            "data_ingestion_logs",
            ingestion_type="daily_ftp",
            run_id=f"{status}{age}",
            status=status,
            started_at=ago(age),
        )
        part = f"staging_parties_{ingestion}"
        rows.database.connection.execute(
            f"CREATE TABLE {part} PARTITION OF staging_parties FOR VALUES IN ({ingestion})"
        )
        return part

    parts = {name: staged(*name) for name in [("failed", 13), ("running", 13), ("failed", 15), ("running", 15)]}
    assert clean(rows, archive, dry_run=True)["staging"] == 2
    with psycopg.connect(rows.database.url) as reader:
        reader.execute(f"SELECT * FROM {parts['failed', 15]}")
        assert clean(rows, archive)["staging"] == 1, "the clean-up skips a table that another session reads"
    assert clean(rows, archive)["staging"] == 1
    left = rows.all("SELECT relname FROM pg_class WHERE relname ~ 'staging_parties_\\d' AND relkind = 'r' ORDER BY 1")
    assert left == [parts["failed", 13], parts["running", 13]]


def test_no_statement_has_a_placeholder_inside_quotes() -> None:
    """Psycopg turns ``interval '%s days'`` into ``interval '$1 days'``, which PostgreSQL reads as 1 day."""
    root = Path(__file__).parents[3]
    for path in [p for package in ("county", "operations", "notifier") for p in root.glob(f"{package}/**/*.sql")]:
        for line in path.read_text("utf-8").splitlines():
            assert not any("%s" in text or "%(" in text for text in line.split("'")[1::2] if "days" in text), path
