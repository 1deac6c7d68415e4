"""On-call gets at most one alert per hour for each cause, and one more alert when the cause is gone.

An alert that nobody received is resent.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from leads.alert import alert, recovered, send_pending_alerts
from leads.redaction import mask_personal_data, redact
from tests.rows import Rows
from tests.servers.mailbox import Mailbox


def report(cause: str = "ftp", **options: Any) -> bool:
    return alert("critical", f"{cause} is down", "It does not answer.", "Call the county.", cause=cause, **options)


def an_hour_later(rows: Rows) -> None:
    rows.database.connection.execute(
        "UPDATE oncall_alerts SET last_sent_at = last_sent_at - interval '61 minutes',"
        " opened_at = opened_at - interval '61 minutes', closed_at = closed_at - interval '61 minutes'"
    )


def test_an_alert_says_what_is_wrong_and_what_to_do(rows: Rows, mailbox: Mailbox) -> None:
    assert report()
    assert mailbox.subjects() == ["[critical] ftp is down"]
    assert "It does not answer." in mailbox.text()
    assert "What to do: Call the county." in mailbox.text()


def test_one_cause_is_one_alert_an_hour_however_often_it_is_reported(rows: Rows, mailbox: Mailbox) -> None:
    with ThreadPoolExecutor(8) as threads:
        sent = list(threads.map(lambda _: report(), range(24)))
    assert sent.count(True) == 1
    assert len(mailbox.mails) == 1
    assert rows.one("SELECT count FROM oncall_alerts") == 24
    assert report("smtp"), "another cause is another alert"
    an_hour_later(rows)
    assert report()
    assert "Reported 25 times since" in mailbox.text()


def test_an_alert_that_no_address_accepted_is_sent_again(rows: Rows, mailbox: Mailbox) -> None:
    mailbox.refuses = True
    assert not report()
    assert rows.one("SELECT last_sent_at FROM oncall_alerts") is None
    assert send_pending_alerts() == 0
    mailbox.refuses = False
    assert send_pending_alerts() == 1
    assert send_pending_alerts() == 0
    assert mailbox.subjects() == ["[critical] ftp is down"]
    assert rows.one("SELECT last_sent_at IS NOT NULL FROM oncall_alerts")


def test_a_sender_that_dies_leaves_the_alert_to_others(rows: Rows, mailbox: Mailbox) -> None:
    rows.database.connection.execute("SELECT report_alert('ftp', 'critical', 'ftp is down', 'text', '{}')")
    assert send_pending_alerts() == 0, "another process is sending the alert"
    rows.database.connection.execute("UPDATE oncall_alerts SET sending_since = now() - interval '3 minutes'")
    assert send_pending_alerts() == 1


def test_on_call_is_notified_once_of_a_recovery(rows: Rows, mailbox: Mailbox) -> None:
    assert recovered("It answers.", cause="ftp") == 0
    report()
    assert recovered("It answers.", cause="ftp") == 1
    assert recovered("It answers.", cause="ftp") == 0
    assert mailbox.subjects() == ["[critical] ftp is down", "[info] recovered: ftp is down"]
    assert "It answers." in mailbox.text()
    assert rows.one("SELECT closed_at IS NOT NULL AND recovery IS NULL FROM oncall_alerts")


def test_a_recovery_that_no_address_accepted_is_sent_later(rows: Rows, mailbox: Mailbox) -> None:
    mailbox.refuses = True
    report()
    recovered("It answers.", cause="ftp")
    mailbox.refuses = False
    assert send_pending_alerts() == 1
    assert mailbox.subjects() == ["[info] recovered: ftp is down"]
    assert "It does not answer." in mailbox.text(), "on-call had not received the alert"


def test_a_flapping_cause_is_sent_once_an_hour_and_again_when_it_stays_down(rows: Rows, mailbox: Mailbox) -> None:
    report()
    recovered("It answers.", cause="ftp")
    report()
    recovered("It answers.", cause="ftp")
    report()
    assert len(mailbox.mails) == 2
    assert send_pending_alerts() == 0
    rows.database.connection.execute("UPDATE oncall_alerts SET last_sent_at = now() - interval '61 minutes'")
    assert send_pending_alerts() == 1, "the cause is down, but on-call's last message says that it is up"


def test_an_alert_closes_when_the_last_thing_it_affects_has_recovered(rows: Rows, mailbox: Mailbox) -> None:
    report(affects=["daily/2026-11-19"])
    report(affects=["daily/2026-11-20"])
    assert recovered("Done.", affected="daily/2026-11-19") == 0
    assert recovered("Done.", affected="daily/2026-11-20") == 1
    assert len(mailbox.mails) == 2


def test_without_the_database_on_call_still_gets_one_alert_an_hour(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in ("", "postgresql://nobody@127.0.0.1:1/none"):
        monkeypatch.setenv("DATABASE_URL", url)
        assert report(f"database {url[:4]}")
        assert not report(f"database {url[:4]}")
    assert len(mailbox.mails) == 2


def test_one_address_that_accepts_the_alert_is_enough(
    rows: Rows, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONCALL_URLS", f"json://127.0.0.1:1/nobody, {mailbox.url()}, nonsense")
    assert report()
    assert len(mailbox.mails) == 1


def test_the_administrator_gets_alerts_too(rows: Rows, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_ALERT_EMAIL", "admin@example.com")
    report()
    assert [str(mail["to"]) for mail in mailbox.mails] == ["oncall@example.com", "admin@example.com"]
    monkeypatch.setenv("ONCALL_URLS", "")
    monkeypatch.setenv("ADMIN_ALERT_EMAIL", mailbox.url())
    report("other")
    assert len(mailbox.mails) == 3


def test_without_an_address_an_alert_does_not_count_as_sent(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONCALL_URLS", raising=False)
    with capture_logs() as events:
        assert not report()
    assert [(event["event"], event["remedy"]) for event in events] == [("oncall_has_no_address", "set ONCALL_URLS")]
    assert rows.one("SELECT last_sent_at FROM oncall_alerts") is None


def test_no_secret_leaves_with_an_alert(rows: Rows, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("AIRFLOW_CONN_MIAMI_DADE_FTP", '{"host": "x", "password": "ftp-pass-phrase"}')
    alert("critical", "x", "ftp://u:hunter22@county/ 0123456789abcdef ftp-pass-phrase password=abc", "see token: t1")
    stored = rows.one("SELECT message FROM oncall_alerts")
    for text in (mailbox.text(), stored):
        for secret in ("hunter22", "0123456789abcdef", "ftp-pass-phrase", "abc", "t1"):
            assert secret not in text


def test_a_password_with_punctuation_is_masked_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_MIAMI_DADE_FTP", '{"login": "x", "password": "corr,horse;batt&sta ple", "port": 2}'
    )
    monkeypatch.setenv("AIRFLOW_CONN_LEADS_DB", "postgresql://leads:p%40ss%2Fword@db/leads")
    for text, masked in (
        ("530 Login failed: corr,horse;batt&sta ple", "530 Login failed: ***"),
        ('{"password": "a,b;c\\"d e", "port": 2}', '{"password": "***", "port": 2}'),
        ("host=x password='two words' user=y", "host=x password='***' user=y"),
        ("Authorization: Basic dXNlcjpwdw==", "Authorization: Basic ***"),
        ("authorization=Bearer abc.def x", "authorization=Bearer *** x"),
        ("refused p@ss/word", "refused ***"),
    ):
        assert redact(text) == masked


@pytest.mark.parametrize("part", ["a.", "+1", "://:", "a@", "password='", "token=\\"])
def test_redaction_takes_linear_time(part: str) -> None:
    started = time.process_time()
    mask_personal_data(redact(part * (40_000 // len(part)), []))
    assert time.process_time() - started < 0.5


def test_redaction_leaves_ordinary_words_alone() -> None:
    text = "Too few tokens: 3. See https://airflow.example.com:8080/dags/x and Cases.exp for 2026-11-20"
    assert redact(text) == text


def test_an_alert_never_raises(rows: Rows, mailbox: Mailbox) -> None:
    with psycopg.connect(rows.database.url) as closed:
        pass
    assert report(connection=closed)
    assert recovered("x", cause="ftp", connection=closed) == 0
    assert send_pending_alerts(closed) == 0
