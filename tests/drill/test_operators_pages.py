"""Operators' pages in a real browser, with a real api-server, real workers, and the sandbox as the providers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

import notifier
from local.settings import Sandbox
from notifier.actors import drain
from notifier.core.queues import EMAIL
from tests.notifier.system import System, settings_for
from tests.servers.airflow_pages import ServedPages, served_pages
from tests.servers.browser import running_chromium

pytestmark = pytest.mark.drill

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
#: Finds an element that sticks out of the window.
WIDEST = """[...document.querySelectorAll("main, main *, .bar *, dialog *")]
  .filter((e) => e.getBoundingClientRect().right > innerWidth).map((e) => e.outerHTML.slice(0, 120))[0]"""
#: Names of buttons that act.
ACTING = re.compile("^(Retry|Dismiss|Cancel|Defer|Send now|Pause|Resume|Show|Accept|Reject|Undo|Stop)", re.IGNORECASE)
#: Addresses of all pages; ``{delivery}`` and the other names are filled with ids.
PAGES = (
    "",
    "?range=week",
    "deliveries",
    "deliveries/{delivery}",
    "dead-letters",
    "dead-letters/{letter}",
    "ingestion",
    "ingestion/{run}",
    "unmatched",
    "unmatched/{record}",
    "unmatched/decisions",
    "subscribers",
    "subscribers/{subscriber}",
    "actions",
    "actions/{action}",
)


@pytest.fixture(scope="module")
def served() -> Iterator[ServedPages]:
    with served_pages() as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with running_chromium() as running:
        yield running


@pytest.fixture
def system(
    served: ServedPages, redis_url: str, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[System]:
    """Yield the pages' database with workers and providers. Rows of earlier tests are removed."""
    from notifier.core import db
    from notifier.providers import sendgrid, twilio

    db.close()
    sendgrid.session.cache_clear()
    twilio.client.cache_clear()
    for name, value in settings_for(served.database, redis_url, sandbox).items():
        monkeypatch.setenv(name, value)
    served.database.connection.execute(
        "TRUNCATE users, leads, properties, deliveries, delivery_events, failed_jobs, operator_actions, lane_pauses,"
        " lane_breakers, lane_status, unmatched_records, rejected_records, data_ingestion_logs, oncall_alerts CASCADE"
    )
    running = System(served.database, redis_url, sandbox, tmp_path)
    yield running
    running.stop()
    db.close()


def context(chromium: Browser, served: ServedPages, role: str, **options: object) -> BrowserContext:
    made = chromium.new_context(viewport={"width": 1400, "height": 900}, **options)  # type: ignore[arg-type]
    made.add_cookies([{"name": "_token", "value": served.tokens[role], "url": served.url}])
    return made


class Watched:
    """A page of a role, with every error that the browser reports."""

    def __init__(self, chromium: Browser, served: ServedPages, role: str, **options: object) -> None:
        self.errors: list[str] = []
        self.url = f"{served.url}/operations/"
        self.page: Page = context(chromium, served, role, **options).new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))

    def open(self, path: str) -> Page:
        answer = self.page.goto(self.url + path)
        assert answer is not None and answer.status == 200, path
        return self.page

    def close(self) -> None:
        self.page.context.close()
        assert self.errors == []


@pytest.fixture
def op(chromium: Browser, served: ServedPages) -> Iterator[Watched]:
    watched = Watched(chromium, served, "op")
    yield watched
    watched.close()


def fill(system: System) -> dict[str, int]:
    """Write rows with hostile texts for every page; return the ids for PAGES."""
    subscriber = system.subscriber(first_name=HOSTILE, email="hostile@example.test")
    lead = system.lead(contact_name=HOSTILE, contact_address=HOSTILE)
    system.fault("sendgrid", status=400, body={"errors": [{"message": HOSTILE}]})
    delivery = notifier.new_lead_alert.send(subscriber, lead).delivery_id
    drain.drain_queue(EMAIL)
    system.heal()
    run = system.insert(
        "data_ingestion_logs",
        {
            "ingestion_type": "daily_ftp",
            "ingestion_date": "2026-11-25",
            "run_id": "scheduled__2026-11-25",
            "status": "failed",
            "error_message": HOSTILE,
            "records_rejected": 1,
        },
    )
    system.insert(
        "rejected_records",
        {
            "feed": "daily",
            "business_date": "2026-11-25",
            "file_name": "Cases.exp",
            "line_number": 7,
            "reason": f"recording_date: {HOSTILE} is not a date",
            "raw_line": f"2026^1^1^{HOSTILE}^x",
            "layout_file": "Cases.exp",
        },
    )
    record = system.insert(
        "unmatched_records",
        {
            "feed": "daily",
            "business_date": "2026-11-25",
            "source_reference": "2026-1-1",
            "address": f"1200 NW 7 ST {HOSTILE}",
            "reason": "no property at this address",
        },
    )
    action = system.insert(
        "operator_actions",
        {"actor": HOSTILE, "action": "retry", "object_type": "delivery", "reason": HOSTILE, "state": "done"},
    )
    letter = system.value("SELECT max(id) FROM failed_jobs")
    return {
        "delivery": delivery,
        "letter": letter,
        "run": run,
        "record": record,
        "subscriber": subscriber,
        "action": action,
    }


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_every_page_is_accessible_fits_and_runs_no_foreign_code(
    system: System, chromium: Browser, served: ServedPages, theme: str, width: int
) -> None:
    ids = fill(system)
    watched = Watched(chromium, served, "op")
    watched.page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    watched.page.set_viewport_size({"width": width, "height": 900})
    problems = []
    for path in PAGES:
        page = watched.open(path.format(**ids))
        assert page.locator("html").get_attribute("data-theme") == theme
        found = Axe().run(page).response["violations"]
        problems += [(path, one["id"], [node["html"][:100] for node in one["nodes"]][:3]) for one in found]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            problems.append((path, "wider than the window", [page.evaluate(WIDEST)]))
        if page.locator("main img, main script").count():
            problems.append((path, "hostile element", []))
    assert problems == []
    watched.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_dialog_is_accessible_and_gives_the_focus_back(
    system: System, chromium: Browser, served: ServedPages, theme: str
) -> None:
    ids = fill(system)
    watched = Watched(chromium, served, "op")
    watched.page.add_init_script(f"localStorage.setItem('theme', '{theme}')")
    for path, button in (
        ("", "Pause"),
        ("deliveries/{delivery}", "Retry"),
        ("dead-letters/{letter}", "Retry"),
        ("dead-letters/{letter}", "Dismiss"),
        ("subscribers/{subscriber}", "Show"),
        ("unmatched", "Make the leads now"),
        ("unmatched/{record}", "Reject all"),
        ("unmatched/{record}", "Add a street alias"),
    ):
        page = watched.open(path.format(**ids))
        page.get_by_role("button", name=button, exact=True).first.click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_label("Reason"), f"{path}: {button}").to_be_visible()
        assert Axe().run(page).response["violations"] == [], (path, button)
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        assert page.evaluate("document.activeElement.textContent.trim()") == button
    watched.close()


def test_a_viewer_sees_every_page_and_no_button_that_acts(
    system: System, chromium: Browser, served: ServedPages
) -> None:
    ids = fill(system)
    watched = Watched(chromium, served, "viewer")
    for path in PAGES:
        page = watched.open(path.format(**ids))
        acts = re.compile(
            "^(Retry|Dismiss|Cancel|Defer|Send now|Pause|Resume|Show|Accept|Reject|Undo|Stop)", re.IGNORECASE
        )
        assert page.get_by_role("button", name=acts).count() == 0, path
    watched.close()


def test_whoever_is_not_logged_in_is_sent_to_the_login(chromium: Browser, served: ServedPages) -> None:
    page = chromium.new_page()
    answer = page.goto(f"{served.url}/operations/deliveries?state=dead")
    assert answer is not None and answer.status == 401
    page.get_by_role("link", name="Log in to Airflow").click()
    expect(page).to_have_url(re.compile("/auth/login"))
    page.close()


def insert_dead_letters(system: System, subscriber: int, lead: int, count: int) -> None:
    """Insert dead e-mails with their dead letters."""
    columns = "channel, kind, subscriber_id, lead_id, dedupe_key, state, error_code, tokens"
    system.database.connection.execute(
        f"INSERT INTO deliveries ({columns}) SELECT 'email', 'new_lead_alert', %s, %s, 'bulk:' || n, 'dead', '503', 1"
        " FROM generate_series(1, %s) n",
        (subscriber, lead, count),
    )
    system.database.connection.execute(
        "INSERT INTO failed_jobs (queue_name, job_name, job_data, error_message, delivery_id)"
        """ SELECT 'email-workflows', kind, '{"code": "503"}', 'SendGrid answered 503', id FROM deliveries"""
    )


def test_ten_thousand_dead_letters_are_retried_once_each_while_workers_restart(system: System, op: Watched) -> None:
    insert_dead_letters(system, system.subscriber(tokens=100_000), system.lead(), 10_000)
    other = system.insert("failed_jobs", {"queue_name": "voice-assistant", "error_message": "x"})
    worker = system.start_worker()

    page = op.open("dead-letters?queue=email-workflows")
    page.get_by_text(re.compile("^All 10,000")).click()
    page.get_by_role("button", name="Retry all that match").click()
    expect(page.get_by_role("heading", name="Retry 10,000 dead letters?")).to_be_visible()
    page.get_by_label("Reason").fill("SendGrid is back")
    page.get_by_role("button", name="Retry 10,000 dead letters").click()
    expect(page).to_have_url(re.compile(r"/actions/\d+$"))
    system.wait_until(lambda: system.value("SELECT done FROM operator_actions") >= 1000, "some batches")
    system.kill(worker)
    system.start_worker()
    expect(page.get_by_text("done", exact=True).first).to_be_visible(timeout=120_000)
    system.wait_until(lambda: system.value("SELECT state FROM operator_actions") == "done", "the action", 120)
    system.wait_until(
        lambda: not system.value("SELECT count(*) FROM deliveries WHERE state IN ('queued', 'sending')"),
        "all sent",
        120,
    )

    assert system.rows("SELECT rows, done, changed, actor, reason FROM operator_actions") == [
        (10_000, 10_000, 10_000, "op", "SendGrid is back")
    ]
    sent = system.accepted_emails()
    unsure = system.value("SELECT count(*) FROM deliveries WHERE state = 'unknown' OR resends > 0")
    assert len(set(sent)) >= 10_000 - unsure
    assert len(sent) - len(set(sent)) <= unsure
    assert system.value("SELECT state FROM failed_jobs WHERE id = %s", other) == "open"


def test_a_paused_queue_stays_paused_while_workers_restart_and_goes_on_when_it_is_resumed(
    system: System, op: Watched
) -> None:
    worker = system.start_worker()
    page = op.open("")
    card = page.locator("#email-workflows")
    card.get_by_role("button", name="Pause").click()
    page.get_by_label("Reason").fill("wrong template")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(card.get_by_text("wrong template")).to_be_visible()
    delivery = notifier.new_lead_alert.send(system.subscriber(), system.lead()).delivery_id
    system.kill(worker)
    system.start_worker()
    system.wait_until(
        lambda: system.value("SELECT count(*) FROM lane_status WHERE heartbeat_at > now() - interval '3 s'"), "a worker"
    )
    page.wait_for_timeout(3_000)
    assert system.state(delivery) == "queued" and system.accepted_emails() == []

    op.open(f"deliveries/{delivery}")
    expect(page.get_by_text("op paused the queue email-workflows")).to_be_visible()
    op.open("")
    card.get_by_role("button", name="Resume").click()
    page.get_by_label("Reason").fill("template is right")
    page.get_by_role("dialog").get_by_role("button", name="Resume").click()
    system.wait_until(lambda: system.state(delivery) == "accepted", "the e-mail is sent", 10)
    assert [row[0] for row in system.rows("SELECT action FROM operator_actions ORDER BY id")] == ["pause", "resume"]


def test_the_keyboard_searches_moves_opens_and_helps(system: System, op: Watched) -> None:
    ids = fill(system)
    page = op.open("deliveries")
    page.keyboard.press("?")
    expect(page.get_by_role("heading", name="Keyboard")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("tr.current")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/deliveries/\d+$"))
    page.keyboard.press("/")
    page.keyboard.type("hostile@example.test")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/deliveries\?subscriber={ids['subscriber']}"))


def test_a_refresh_keeps_the_selection_and_the_place(system: System, op: Watched) -> None:
    for number in range(30):
        system.insert("deliveries", {"channel": "email", "kind": "welcome_email", "dedupe_key": f"k{number}"})
    page = op.open("deliveries")
    boxes = page.locator("input[data-select]")
    boxes.nth(3).check()
    chosen = boxes.nth(3).input_value()
    for _ in range(20):
        page.keyboard.press("j")
    current, place = page.locator("tr.current").get_attribute("id"), page.evaluate("scrollY")
    with page.expect_response(re.compile("/deliveries")):
        page.keyboard.press("r")
    page.wait_for_timeout(300)
    assert page.locator("input[data-select]:checked").input_value() == chosen
    assert page.locator("tr.current").get_attribute("id") == current
    assert page.evaluate("scrollY") == place


def test_a_server_that_is_away_is_said_and_the_page_recovers(system: System, op: Watched) -> None:
    page = op.open("")
    page.route("**/operations/**", lambda route: route.abort())
    page.keyboard.press("r")
    expect(page.get_by_role("status").filter(has_text="does not answer")).to_be_visible()
    page.unroute("**/operations/**")
    with page.expect_response(re.compile("/operations/")):
        page.keyboard.press("r")
    op.errors.clear()  # the browser reports the requests that failed
