"""The page of a subscriber: the ledger with its running balance, contacts that are masked, and the check."""

from __future__ import annotations

import re

import pytest

from tests.operations.pages.conftest import Pages

EMAIL, PHONE = "maria.garcia@example.com", "+13055550167"


def subscriber(pages: Pages, **values: object) -> int:
    defaults = {
        "email": EMAIL,
        "phone_number": PHONE,
        "first_name": "Maria",
        "last_name": "Garcia",
        "token_balance": 50,
    }
    return pages.rows.user(**defaults | values)


def deliver(pages: Pages, user: int, number: int, tokens: int = 10) -> int:
    """Open a delivery through the function that the app uses, so that its tokens are held."""
    return int(
        pages.rows.one(
            "SELECT delivery_id FROM open_deliveries(ARRAY["
            "ROW('urgent_lead_sms', %(user)s, NULL, %(key)s, 0, NULL, NULL, %(tokens)s)::delivery_request])",
            user=user,
            key=f"key {number}",
            tokens=tokens,
        )
    )


def page(pages: Pages, path: str) -> str:
    answer = pages.viewer.get(path)
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", answer.text)


def balances(html: str) -> list[tuple[str, str]]:
    """Return the changes and the balances after them, as the ledger shows them."""
    rows = html.split('id="ledger"')[1]
    return re.findall(r'<td class="number">([+-]?\d+)</td><td class="number">(-?[\d,]+)</td></tr>', rows)


def test_the_ledger_shows_the_balance_after_each_entry(pages: Pages) -> None:
    user = subscriber(pages)
    first, second = deliver(pages, user, 1), deliver(pages, user, 2)
    pages.rows.one("SELECT settle_tokens(ARRAY[%(id)s::bigint])", id=first)
    pages.rows.one("SELECT release_tokens(ARRAY[%(id)s::bigint], 'never sent')", id=second)
    html = page(pages, f"subscribers/{user}")
    assert balances(html) == [("+10", "40"), ("0", "30"), ("-10", "30"), ("-10", "40"), ("+50", "50")]


def test_an_older_page_of_the_ledger_continues_with_the_right_balance(pages: Pages) -> None:
    user = subscriber(pages, token_balance=1000)
    for number in range(60):
        deliver(pages, user, number, tokens=1)
    newest = page(pages, f"subscribers/{user}")
    older = re.search(rf"subscribers/{user}\?before=(\d+)", newest)
    assert older is not None
    assert balances(newest)[0] == ("-1", "940") and balances(newest)[-1] == ("-1", "989")
    rest = balances(page(pages, f"subscribers/{user}?before={older[1]}"))
    assert rest[0] == ("-1", "990") and rest[-1] == ("+1000", "1,000")


def test_the_check_compares_the_balance_with_the_entries(pages: Pages) -> None:
    user = subscriber(pages)
    deliver(pages, user, 1)
    assert "The balance of 40 tokens equals the sum of the entries, with 10 tokens held" in page(
        pages, f"subscribers/{user}/check"
    )
    connection = pages.rows.database.connection
    connection.execute("ALTER TABLE users DISABLE TRIGGER USER")
    connection.execute("UPDATE users SET token_balance = 99")
    connection.execute("UPDATE deliveries SET state = 'dead'")
    html = page(pages, f"subscribers/{user}/check")
    assert "The balance is 99 tokens, but the entries add up to 40." in html
    assert "have ended and still hold tokens" in html


def test_contacts_are_masked_until_an_operator_gives_a_reason(pages: Pages) -> None:
    user = subscriber(pages)
    for path in ("subscribers", f"subscribers/{user}"):
        html = page(pages, path)
        assert EMAIL not in html and PHONE not in html and "Garcia" not in html
        assert "m…@example.com" in html and "+1 305 ••• ••67" in html

    assert pages.viewer.post(f"subscribers/{user}/reveal", data={"reason": "x"}).status_code == 403
    assert pages.op.post(f"subscribers/{user}/reveal", data={"reason": " \0 "}).status_code == 422
    assert pages.rows.one("SELECT count(*) FROM operator_actions") == 0

    shown = pages.op.post(f"subscribers/{user}/reveal", data={"reason": "asks why no e-mail came"}).text
    assert EMAIL in shown and PHONE in shown and "Maria Garcia" in shown
    assert pages.rows.one(
        "SELECT actor, action, object_type, object_ids, rows, reason, state FROM operator_actions"
    ) == ("op", "reveal", "subscriber", [user], 1, "asks why no e-mail came", "done")


def test_suppressions_consents_preferences_and_criteria_are_listed(pages: Pages) -> None:
    user = subscriber(pages, email_preferences={"max_daily_emails": 5, "<b>": "<i>"})
    pages.rows.insert("suppressions", channel="email", address=EMAIL, reason="bounce")
    pages.rows.insert("suppressions", channel="sms", address="+13055550999", reason="somebody else's")
    pages.rows.insert("call_consents", subscriber_id=user, phone_number="+13055550123", source="web form")
    pages.rows.database.connection.execute(
        "INSERT INTO subscriber_lead_criteria (subscriber_id, lead_types, channels) VALUES (%s, '{probate}', '{sms}')",
        (user,),
    )
    html = page(pages, f"subscribers/{user}")
    assert "bounce" in html and "somebody else" not in html
    assert "+1 305 ••• ••23" in html and "web form" in html
    assert "<dt>max_daily_emails</dt><dd>5</dd>" in html
    assert "<dt>&lt;b&gt;</dt><dd>&lt;i&gt;</dd>" in html
    assert "probate" in html


def test_the_list_is_filtered_and_paged(pages: Pages) -> None:
    ids = [subscriber(pages, email=f"p{number}@example.com", token_balance=number) for number in range(60)]
    pages.rows.database.connection.execute("UPDATE users SET subscription_status = 'canceled' WHERE id = %s", (ids[0],))
    first = page(pages, "subscribers")
    assert first.count("<tr id=") == 50 and f"before={ids[10]}" in first
    assert page(pages, f"subscribers?before={ids[10]}").count("<tr id=") == 10
    assert page(pages, "subscribers?status=canceled").count("<tr id=") == 1
    assert page(pages, "subscribers?below=5").count("<tr id=") == 5
    assert page(pages, f"subscribers?id={ids[7]}").count("<tr id=") == 1


@pytest.mark.parametrize("path", ["subscribers/0", "subscribers/999", f"subscribers/{10**30}", "subscribers/-1"])
def test_an_unknown_subscriber_is_not_found(pages: Pages, path: str) -> None:
    for method in ("get", "post"):
        answer = getattr(pages.op, method)(
            path + ("/reveal" if method == "post" else ""), **({"data": {"reason": "x"}} if method == "post" else {})
        )
        assert answer.status_code == 404


@pytest.mark.parametrize("query", ["before=x", "id=1;2", "below=-1", "id=99999999999999999999", "before=%00", "id=²"])
def test_a_value_that_is_no_number_is_refused(pages: Pages, query: str) -> None:
    assert pages.viewer.get(f"subscribers?{query}").status_code == 400
