"""Helpers that the notifier's tests use to insert rows, start workers, and read what the providers received."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg

from local.paths import ROOT
from local.redis import RedisServer
from local.settings import Sandbox
from notifier.actors import drain
from notifier.core.queues import EMAIL, SMS
from notifier.deliveries.enqueue import EnqueueResult
from tests.servers.postgres import Database

SECRET_KEY = "c2VjcmV0LWtleS1vZi10aGUtdGVzdHMtMzItYnl0ZXM="
KINDS_OF_EMAIL = (
    "NEW_LEAD_ALERT",
    "DAILY_DIGEST",
    "WEEKLY_REPORT",
    "WELCOME_EMAIL",
    "LOW_TOKEN_BALANCE",
    "CALL_FAILED",
    "EXPIRING_TRIAL",
    "PAYMENT_RECEIPT",
)
PURPOSES = ("LEADS", "WELCOME", "DIGEST", "BILLING", "SUPPORT")
#: Returns the counts that differ from the rows that they count.
COUNTS = """
WITH counted AS (
    SELECT 'open_deliveries' AS metric, ARRAY[kind, open_state(state, is_due)] AS labels, count(*) AS rows
    FROM deliveries WHERE open_state(state, is_due) IS NOT NULL GROUP BY 1, 2
    UNION ALL
    SELECT 'open_dead_letters', ARRAY[coalesce(queue_name, '')], count(*)
    FROM failed_jobs WHERE state = 'open' GROUP BY 1, 2
    UNION ALL
    SELECT 'open_holds', '{}',
           count(*) FILTER (WHERE entry = 'hold') - count(*) FILTER (WHERE entry IN ('settle', 'release'))
    FROM token_entries
), kept AS (
    SELECT metric, labels, value FROM metric_totals
    WHERE metric IN ('open_deliveries', 'open_dead_letters', 'open_holds')
)
SELECT metric, labels, coalesce(value, 0), coalesce(rows, 0) FROM counted FULL JOIN kept USING (metric, labels)
WHERE coalesce(value, 0) <> coalesce(rows, 0)
"""
#: The states that are not final.
OPEN = ("queued", "sending", "unknown")


def settings_for(database: Database, redis_url: str, sandbox: Sandbox) -> dict[str, str]:
    """Return notifier settings that use the sandbox's providers and make time run a hundred times faster."""
    return {
        "DATABASE_URL": database.url,
        "REDIS_URL": redis_url,
        "SENDGRID_API_KEY": "SG.test",
        "SENDGRID_API_URL": sandbox.url,
        **{f"SENDGRID_TEMPLATE_{kind}": f"d-{kind.lower()}" for kind in KINDS_OF_EMAIL},
        **{
            f"SENDGRID_FROM_{p}": f"{p.lower()}@leads.test"
            for p in ("LEADS", "WELCOME", "DIGEST", "BILLING", "SUPPORT")
        },
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "twilio-token-of-the-tests",
        "TWILIO_API_URL": sandbox.url,
        "TWILIO_SMS_NUMBER": "+13055550100",
        "MIAMI_DADE_API_URL": f"{sandbox.url}/Developers/api",
        "MIAMI_DADE_AUTH_KEY": "key-of-the-county",
        "FRONTEND_URL": "https://app.leads.test",
        "API_URL": "https://hooks.leads.test",
        "NOTIFIER_SECRET_KEY": SECRET_KEY,
        "NOTIFIER_TIME_SCALE": "0.01",
        "PROVIDER_TIMEOUT_SECONDS": "2",
        "ONCALL_URLS": f"json://127.0.0.1:{sandbox.http_port}/oncall",
    }


class System:
    """One test's database, Redis, sandbox and worker processes."""

    def __init__(self, database: Database, redis_url: str, sandbox: Sandbox, folder: Path) -> None:
        self.database, self.redis_url, self.sandbox, self.folder = database, redis_url, sandbox, folder
        self.redis_server: RedisServer | None = None
        """The Redis server, if it belongs only to this test."""
        self._connection = database.connection
        self._workers: list[subprocess.Popen[bytes]] = []

    def connect_again(self) -> None:
        """Open a new connection after the database has restarted."""
        self._connection = psycopg.connect(self.database.url, autocommit=True)

    # ── rows to start from ──
    def subscriber(self, tokens: int = 1000, **columns: Any) -> int:
        values = {
            "email": f"person{self.number('users')}@example.test",
            "first_name": "Pat",
            "phone_number": f"+1305555{2000 + self.number('users')}",
            "subscription_status": "active",
            "token_balance": tokens,
            **columns,
        }
        if isinstance(values.get("email_preferences"), dict):
            values["email_preferences"] = json.dumps(values["email_preferences"])
        return self.insert("users", values)

    def lead(self, **columns: Any) -> int:
        place = self.insert(
            "properties",
            {
                "folio_number": f"01{self.number('properties'):011d}",
                "address": "1200 NW 7 ST",
                "city": "Miami",
                "owner_name": "GARCIA MARIA",
                "building_sqft": 1500,
            },
        )
        values = {
            "property_id": place,
            "lead_type": "probate",
            "lead_date": "2026-11-20",
            "lead_score": 95,
            "source_reference": f"2026-{place}",
            **columns,
        }
        return self.insert("leads", values)

    def insert(self, table: str, values: dict[str, Any]) -> int:
        names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
        query = f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id"
        row = self._connection.execute(query, list(values.values())).fetchone()
        assert row is not None
        return int(row[0])

    # ── outcomes ──
    def rows(self, query: str, *parameters: Any) -> list[Any]:
        return self._connection.execute(query, parameters).fetchall()

    def value(self, query: str, *parameters: Any) -> Any:
        return self.rows(query, *parameters)[0][0]

    def number(self, table: str) -> int:
        return int(self.value(f"SELECT coalesce(max(id), 0) + 1 FROM {table}"))

    def states(self) -> dict[str, int]:
        return dict(self.rows("SELECT state, count(*) FROM deliveries GROUP BY state"))

    def state(self, delivery_id: int) -> str:
        return str(self.value("SELECT state FROM deliveries WHERE id = %s", delivery_id))

    def outcome(self, opened: EnqueueResult) -> tuple[str, str | None]:
        """Send all due deliveries from this process; return the state and error code of ``opened``'s delivery."""
        for queue in (EMAIL, SMS):
            drain.drain_queue(queue)
        row: tuple[str, str | None]
        (row,) = self.rows("SELECT state, error_code FROM deliveries WHERE id = %s", opened.delivery_id)
        return row

    def balance(self, user: int) -> int:
        """Check that the user's ledger entries add up to the balance; return the balance."""
        balance, by_entries = self.rows(
            "SELECT token_balance, by_entries FROM token_balances WHERE user_id = %s", user
        )[0]
        assert balance == by_entries, "balance and entries differ"
        return int(balance)

    def entries(self, delivery_id: int) -> list[tuple[str, int]]:
        return self.rows("SELECT entry, tokens FROM token_entries WHERE delivery_id = %s ORDER BY id", delivery_id)

    def wait_until(self, true: Callable[[], Any], what: str, seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            if time.monotonic() > deadline:
                facts = f"states {self.states()}\n{self.output()[-3000:]}"
                raise AssertionError(f"did not happen within {seconds} s: {what}; {facts}")
            time.sleep(0.05)

    def wait_for_rest(self, seconds: float = 30) -> None:
        """Wait until every delivery has reached a final state."""
        self.wait_until(lambda: not set(OPEN) & set(self.states()), "every delivery in a final state", seconds)

    # ── requests to the providers ──
    def received(self, provider: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._control("GET", f"requests?provider={provider}"))
        return found

    def accepted_emails(self) -> list[int]:
        """Return the delivery ids of the e-mails that SendGrid accepted.

        A delivery's id appears once per accepted e-mail.
        """
        return [
            int(person["custom_args"]["delivery_id"])
            for request in self.received("sendgrid")
            if request["accepted"]
            for person in request["body"]["personalizations"]
        ]

    def accepted_sms(self) -> list[int]:
        """Return the delivery ids of the texts that Twilio accepted. A delivery's id appears once per accepted text."""
        callbacks = [urlsplit(r["body"]["StatusCallback"]) for r in self.received("twilio") if r["accepted"]]
        return [int(parse_qs(callback.query)["delivery_id"][0]) for callback in callbacks]

    def accepted_sms_numbers(self) -> list[str]:
        """Return the recipient of each SMS that Twilio accepted."""
        return [r["body"]["To"] for r in self.received("twilio") if r["accepted"]]

    def fault(self, provider: str, **instruction: Any) -> None:
        self._control("POST", "faults", json.dumps({"provider": provider, **instruction}).encode())

    def heal(self) -> None:
        """Remove all faults, so that the providers answer normally again. The received requests are kept."""
        self._control("POST", "heal", b"{}")

    def became(self, sid: str, **fields: Any) -> None:
        """Set the fields that Twilio's API returns for a text or call from now on."""
        self._control("POST", "became", json.dumps({"sid": sid, **fields}).encode())

    def forget(self) -> None:
        """Make the sandbox forget all received requests and all faults."""
        self._control("POST", "reset", b"{}")

    def _control(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self.sandbox.url}/_sandbox/{path}", data=body, method=method)
        request.add_header("Content-Type", "application/json")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return bytes(answer.read())

    # ── workers ──
    def start_worker(self, *queues: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start ``dramatiq notifier`` in its own process group, for the given queues or for all queues."""
        command = [str(Path(sys.executable).with_name("dramatiq")), "notifier", "--processes", "1", "--threads", "8"]
        if queues:
            command += ["--queues", *queues]
        log = (self.folder / f"worker-{len(self._workers)}.log").open("wb")
        worker = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        log.close()
        self._workers.append(worker)
        return worker

    def kill(self, worker: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
        """Send a signal (SIGKILL by default) to a worker and its children, and wait until the worker has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, number)
        worker.wait(timeout=30)

    def stop(self) -> None:
        """Kill all workers."""
        for worker in self._workers:
            if worker.poll() is None:
                self.kill(worker)

    def check_counts(self) -> None:
        """Check that the counts that triggers keep agree with the rows."""
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.database.url) as connection:
            wrong = connection.execute(COUNTS).fetchall()
            assert not wrong, f"counts differ from the rows (metric, labels, kept, counted): {wrong}"

    def output(self) -> str:
        """Return the output of all workers."""
        logs: Sequence[Path] = sorted(self.folder.glob("worker-*.log"))
        return "\n".join(log.read_text("utf-8", "replace") for log in logs)
