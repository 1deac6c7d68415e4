"""Operators act on deliveries and dead letters: what the dialog says, and what changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
import pytest

from leads.clock import NEW_YORK
from operations.pages import actions, local_times
from operations.pages.dead_letter_search import matching_dead_letter_ids
from tests.hostile import HOSTILE_TEXTS
from tests.operations.pages.acting import REASON, act, dead_letter, delivery, form, notice, preview, title
from tests.operations.pages.conftest import Pages

LATER = datetime.now(UTC) + timedelta(hours=5)


def state_of(pages: Pages, delivery_id: int) -> str:
    return str(pages.rows.one("SELECT state FROM deliveries WHERE id = %(id)s", id=delivery_id))


def letters(pages: Pages, *states: str) -> list[int]:
    return [dead_letter(pages.rows, state=state) for state in states]


def test_each_action_on_deliveries_has_its_effect_and_is_recorded(pages: Pages) -> None:
    dead = delivery(pages.rows, "dead", error_code="503")
    first, second, third = (delivery(pages.rows, "queued", not_before=LATER) for _ in range(3))
    assert act(pages.op, action="retry", type="delivery", ids=dead) == "Retried 1 delivery."
    assert act(pages.op, action="send_now", type="delivery", ids=first) == "Sent now 1 delivery."
    assert act(pages.op, action="cancel", type="delivery", ids=second) == "Canceled 1 delivery."
    fields = form(preview(pages.op, action="defer", type="delivery", ids=third))
    until = (datetime.now(NEW_YORK) + timedelta(hours=9)).replace(second=0, microsecond=0, tzinfo=None)
    assert notice(pages.op.post("actions", data=fields | {"until": until.isoformat()})).startswith(
        "Deferred 1 delivery"
    )
    assert [state_of(pages, one) for one in (dead, first, second, third)] == ["queued", "queued", "cancelled", "queued"]
    assert pages.rows.one("SELECT not_before <= now() FROM deliveries WHERE id = %(id)s", id=first)
    moment = pages.rows.one("SELECT not_before FROM deliveries WHERE id = %(id)s", id=third)
    assert moment.astimezone(NEW_YORK).replace(tzinfo=None) == until
    assert pages.rows.all(
        "SELECT actor, action, object_type, object_ids, rows, changed, reason, state FROM operator_actions ORDER BY id"
    ) == [
        ("op", action, "delivery", [one], 1, 1, REASON, "done")
        for action, one in (("retry", dead), ("send_now", first), ("cancel", second), ("defer", third))
    ]


def test_a_dialog_says_exactly_how_many_rows_it_changes_and_changes_no_others(pages: Pages) -> None:
    wanted = [delivery(pages.rows, "dead", error_code="503") for _ in range(3)]
    others = [delivery(pages.rows, "dead", error_code="401"), delivery(pages.rows, "delivered", error_code="503")]
    dialog = preview(pages.op, action="retry", type="delivery", filter="queue=email-workflows&code=503")
    assert title(dialog) == "Retry 3 deliveries?"
    assert "All of email-workflows with code 503" in dialog.text
    assert "Retry 3 deliveries</button>" in dialog.text
    assert "All that are dead" in preview(pages.op, action="retry", type="delivery", filter="state=dead").text
    assert notice(pages.op.post("actions", data=form(dialog))) == "Retried 3 deliveries."
    assert [state_of(pages, one) for one in wanted] == ["queued"] * 3
    assert [state_of(pages, one) for one in others] == ["dead", "delivered"]


def test_a_dialog_for_a_selection_counts_only_rows_that_it_can_change(pages: Pages) -> None:
    ids = letters(pages, "open", "open", "replayed", "dismissed")
    dialog = preview(pages.op, action="dismiss", type="dead_letter", ids=",".join(map(str, ids)))
    assert title(dialog) == "Dismiss 2 dead letters?"
    assert "2 dead letters of the selected stay unchanged" in dialog.text
    assert notice(pages.op.post("actions", data=form(dialog))) == "Dismissed 2 dead letters."
    assert pages.rows.all("SELECT state FROM failed_jobs ORDER BY id") == [*["dismissed"] * 2, "replayed", "dismissed"]


def test_rows_that_arrive_after_the_dialog_opened_are_not_changed(pages: Pages) -> None:
    old = [delivery(pages.rows, "queued") for _ in range(2)]
    fields = form(preview(pages.op, action="cancel", type="delivery", filter=""))
    new = delivery(pages.rows, "queued")
    assert notice(pages.op.post("actions", data=fields)) == "Canceled 2 deliveries."
    assert [state_of(pages, one) for one in (*old, new)] == ["cancelled", "cancelled", "queued"]


def test_an_action_on_more_rows_than_were_confirmed_is_refused(pages: Pages) -> None:
    moved = delivery(pages.rows, "sending")
    delivery(pages.rows, "queued")
    delivery(pages.rows, "queued")
    fields = form(preview(pages.op, action="cancel", type="delivery", filter=""))
    pages.rows.database.connection.execute("UPDATE deliveries SET state = 'queued' WHERE id = %s", (moved,))
    answer = pages.op.post("actions", data=fields)
    assert answer.status_code == 409
    assert "3 rows match now, not 2. Close this dialog, open it again and confirm." in answer.text
    assert pages.rows.all("SELECT DISTINCT state FROM deliveries") == ["queued"]


def test_a_form_that_is_sent_twice_acts_once(pages: Pages) -> None:
    ids = letters(pages, *["open"] * 3)
    fields = form(preview(pages.op, action="dismiss", type="dead_letter", filter="state=open"))
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: pages.op.post("actions", data=fields), range(4)))
    assert {answer.status_code for answer in answers} == {204}
    pages.rows.database.connection.execute("UPDATE failed_jobs SET state = 'open' WHERE id = %s", (ids[0],))
    assert notice(pages.op.post("actions", data=fields)) == "Dismissed 3 dead letters."
    assert pages.rows.one("SELECT count(*) FROM operator_actions") == 1
    assert pages.rows.one("SELECT count(*) FROM failed_jobs WHERE state = 'open'") == 1


def test_a_form_of_one_operator_does_not_hide_the_action_of_another(pages: Pages) -> None:
    letters(pages, "open")
    fields = form(preview(pages.op, action="dismiss", type="dead_letter", filter=""))
    notice(pages.op.post("actions", data=fields))
    letters(pages, "open")
    again = form(preview(pages.admin, action="dismiss", type="dead_letter", filter="")) | {"key": fields["key"]}
    assert notice(pages.admin.post("actions", data=again)) == "Dismissed 1 dead letter."
    assert pages.rows.all("SELECT actor FROM operator_actions ORDER BY id") == ["op", "admin"]


def test_a_long_action_is_left_to_the_leader_and_can_be_stopped(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "AT_ONCE", 2)
    letters(pages, *["open"] * 5)
    dialog = preview(pages.op, action="dismiss", type="dead_letter", filter="")
    assert "in the background" in dialog.text and "No worker is running" in dialog.text
    answer = pages.op.post("actions", data=form(dialog))
    action = pages.rows.one("SELECT id FROM operator_actions WHERE state = 'running'")
    assert answer.headers["HX-Redirect"] == f"/operations/actions/{action}"
    pages.rows.one("SELECT continue_operator_action(%(id)s, 2)", id=action)
    page = pages.op.get(f"actions/{action}").text
    assert 'max="5" value="2"' in page and ">Stop</button>" in page and "No worker is running" in page
    assert "Stop</button>" not in pages.viewer.get(f"actions/{action}").text
    assert pages.viewer.post(f"actions/{action}/stop").status_code == 403
    assert notice(pages.op.post(f"actions/{action}/stop")).startswith("Stopped")
    assert pages.op.post(f"actions/{action}/stop").status_code == 409
    assert pages.rows.one("SELECT (continue_operator_action(%(id)s, 9)).done", id=action) == 2
    assert "3 rows were not reached" in pages.op.get(f"actions/{action}").text
    assert pages.rows.one("SELECT count(*) FROM failed_jobs WHERE state = 'open'") == 3


def test_an_action_whose_rows_are_locked_is_left_to_the_leader(pages: Pages) -> None:
    locked = delivery(pages.rows, "queued")
    fields = form(preview(pages.op, action="cancel", type="delivery", ids=locked))
    with psycopg.connect(pages.rows.database.url) as other:
        other.execute("SELECT FROM deliveries WHERE id = %s FOR UPDATE", (locked,))
        assert "HX-Redirect" in pages.op.post("actions", data=fields).headers
    assert pages.rows.one("SELECT state FROM operator_actions") == "running"
    assert state_of(pages, locked) == "queued"


@pytest.mark.parametrize("reason", ["", "  \n ", "\0", "x" * 501])
def test_an_action_without_a_proper_reason_is_refused(pages: Pages, reason: str) -> None:
    fields = form(preview(pages.op, action="dismiss", type="dead_letter", ids=letters(pages, "open")[0]))
    assert pages.op.post("actions", data=fields | {"reason": reason}).status_code == 422
    assert pages.rows.all("SELECT state FROM failed_jobs") == ["open"]
    assert pages.rows.one("SELECT count(*) FROM operator_actions") == 0


def test_a_viewer_sees_no_buttons_and_cannot_act(pages: Pages) -> None:
    queued, letter = delivery(pages.rows, "queued"), letters(pages, "open")[0]
    fields = form(preview(pages.op, action="cancel", type="delivery", ids=queued))
    for client in (pages.viewer, pages.user):
        assert client.post("actions", data=fields).status_code == 403
        for path in ("dead-letters", f"dead-letters/{letter}"):
            assert "actions/new" not in client.get(path).text
    assert pages.anonymous.post("actions", data=fields).status_code == 401
    assert state_of(pages, queued) == "queued"


def test_nothing_that_a_provider_accepted_can_be_acted_on(pages: Pages) -> None:
    ids = [delivery(pages.rows, state) for state in ("sending", "unknown", "accepted", "sent", "delivered")]
    for action in ("retry", "send_now", "defer", "cancel"):
        dialog = preview(pages.op, action=action, type="delivery", ids=",".join(map(str, ids)))
        assert title(dialog).startswith("Nothing to")
        fields = {"type": "delivery", "action": action, "ids": str(ids[0]), "newest": "9", "expected": "9", "key": "k"}
        fields |= {"reason": REASON, "until": "2099-01-01T00:00"}
        assert pages.op.post("actions", data=fields).status_code in (409, 422)
    assert pages.rows.one("SELECT count(*) FROM operator_actions") == 0


def test_a_filter_without_a_row_that_can_change_is_refused(pages: Pages) -> None:
    answer = preview(pages.op, action="retry", type="delivery", filter="state=delivered")
    assert answer.status_code == 400
    assert "Retry changes only rows in the state failed or dead or parked" in answer.text


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "delivery", "action": "delete", "ids": "1"},
        {"type": "user", "action": "retry", "ids": "1"},
        {"type": "delivery", "action": "retry"},
        {"type": "delivery", "action": "retry", "ids": "1,x"},
        {"type": "delivery", "action": "retry", "ids": "9" * 30},
        {"type": "delivery", "action": "retry", "ids": ",".join(map(str, range(1, 1100)))},
        {"type": "delivery", "action": "retry", "filter": "since=yesterday"},
        {"type": "delivery", "action": "retry", "filter": "q=" + "x" * 5000},
    ],
)
def test_a_dialog_for_nonsense_is_refused(pages: Pages, parameters: dict[str, str]) -> None:
    assert preview(pages.op, **parameters).status_code == 400
    fields = parameters | {"reason": REASON, "newest": "1", "expected": "1", "key": "k"}
    assert pages.op.post("actions", data=fields).status_code == 400


@pytest.mark.parametrize(
    ("name", "value"), [("key", ""), ("key", "x" * 101), ("key", "\0"), ("newest", "-1"), ("expected", "9" * 20)]
)
def test_an_incomplete_form_is_refused(pages: Pages, name: str, value: str) -> None:
    fields = form(preview(pages.op, action="dismiss", type="dead_letter", ids=letters(pages, "open")[0]))
    assert pages.op.post("actions", data=fields | {name: value}).status_code == 400


def test_a_filter_that_matches_too_many_rows_is_refused(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    letters(pages, *["open"] * 3)

    few = partial(matching_dead_letter_ids, limit=2)
    monkeypatch.setattr("operations.pages.action_request.matching_dead_letter_ids", few)
    answer = preview(pages.op, action="dismiss", type="dead_letter", filter="")
    assert answer.status_code == 400 and "Narrow the filter" in answer.text


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-11-28T08:00", "2026-11-28 13:00"),  # winter: five hours behind UTC
        ("2027-07-01T08:00", "2027-07-01 12:00"),  # summer: four hours
        ("2027-03-14T03:30", "2027-03-14 07:30"),  # after the clocks went forward
        ("2027-11-07T01:30:00", "2027-11-07 05:30"),  # twice that night; the first time
    ],
)
def test_a_time_is_read_as_new_yorks(monkeypatch: pytest.MonkeyPatch, written: str, moment: str) -> None:
    monkeypatch.setattr(local_times, "now", lambda: datetime(2026, 11, 27, tzinfo=UTC))
    assert local_times.parse_local_time(written) == datetime.fromisoformat(moment).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("until", "said"),
    [
        ("", "Give a time"),
        ("tomorrow", "Give a time"),
        ("2026-13-01T00:00", "Give a time"),
        ("0001-01-01T00:00", "Give a time"),
        ("9999-12-31T23:59", "Give a time"),
        ("2020-01-01T00:00", "passed"),
        ("2500-01-01T00:00", "year ahead"),
        ("2027-03-14T02:30", "skip this time"),
    ],
)
def test_an_impossible_time_is_refused(pages: Pages, until: str, said: str) -> None:
    fields = form(preview(pages.op, action="defer", type="delivery", ids=delivery(pages.rows, "queued")))
    answer = pages.op.post("actions", data=fields | {"until": until})
    assert answer.status_code == 422 and said in answer.text
    assert pages.rows.one("SELECT count(*) FROM operator_actions") == 0


def test_hostile_texts_are_escaped(pages: Pages) -> None:
    letter = dead_letter(pages.rows, error_message="<script>alert(1)</script>", job_name="<b>job</b>")
    fields = form(preview(pages.op, action="dismiss", type="dead_letter", filter="q=%3Cscript%3E"))
    notice(pages.op.post("actions", data=fields | {"reason": "<img src=x onerror=alert(1)>"}))
    action = pages.rows.one("SELECT id FROM operator_actions")
    for path in ("actions", f"actions/{action}", f"dead-letters/{letter}", "dead-letters?state=all&q=%3Cscript%3E"):
        text = pages.op.get(path).text
        assert "<img src=x" not in text and "<script>alert" not in text and "<b>job" not in text, path
    assert "&lt;img src=x" in pages.op.get("actions").text
    dialog = preview(pages.op, action="dismiss", type="dead_letter", filter="job=%22%3E%3Cb%3E")
    assert "><b>" not in dialog.text


def test_no_hostile_text_breaks_an_action_or_a_page(pages: Pages) -> None:
    for text in HOSTILE_TEXTS:
        if len(text) > 2_000:
            continue
        for name in ("actor", "action", "since", "before"):
            assert pages.op.get("actions", params={name: text}).status_code in (200, 400), (name, text)
        assert preview(pages.op, action="dismiss", type="dead_letter", filter=text).status_code in (200, 400)
        letter = letters(pages, "open")[0]
        fields = form(preview(pages.op, action="dismiss", type="dead_letter", ids=letter))
        assert pages.op.post("actions", data=fields | {"reason": text}).status_code in (204, 422), text


def test_personal_data_in_a_filter_is_not_kept(pages: Pages) -> None:
    dead_letter(pages.rows, error_message="no mailbox ana@example.com at +13055550123")
    act(pages.op, action="dismiss", type="dead_letter", filter="q=ana%40example.com")
    dead_letter(pages.rows, error_message="no mailbox ana@example.com at +13055550123")
    act(pages.op, action="dismiss", type="dead_letter", filter="q=%2B13055550123")
    kept = str(pages.rows.all("SELECT parameters FROM operator_actions"))
    assert "ana" not in kept and "0123" not in kept
