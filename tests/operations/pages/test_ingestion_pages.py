"""The pages of ingestion runs, and the column at fault in each rejected line."""

from __future__ import annotations

import csv
import html
import io
import re
from datetime import timedelta

import pytest

from county import feeds, runs
from county.steps import timed_step
from operations.pages.rejected_lines import marked
from sandbox.daily_files import cases_lines, parties_lines
from tests.county.days import FRIDAY, THURSDAY, Pipeline, deed
from tests.operations.pages.conftest import Pages

GOOD = [deed() for _ in range(399)]


@pytest.fixture
def county(pages: Pages) -> Pipeline:
    return Pipeline(pages.rows.database.connection)


def page(pages: Pages, path: str) -> str:
    answer = pages.viewer.get(path)
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", answer.text)


def ingest(county: Pipeline, *bad_lines: str) -> int:
    """Ingest a day of deeds and some lines that are rejected; return the run's id."""
    files = {
        "Cases.exp": "\r\n".join([*cases_lines(GOOD), *bad_lines]).encode(),
        "Parties.exp": "\r\n".join(parties_lines(GOOD)).encode(),
    }
    return county.stage(FRIDAY, files)


def line(county_line: str, position: int, value: str) -> str:
    """Return a good line of Cases.exp with another value at one position."""
    fields = county_line.split("^")
    fields[position] = value
    return "^".join(fields)


@pytest.fixture
def case() -> str:
    return next(iter(cases_lines(GOOD[:1])))


def marks(text: str) -> list[tuple[str, str]]:
    """Return the marked columns and their values, as the page shows them."""
    return [(name, html.unescape(value)) for name, value in re.findall(r'<mark title="([^"]*)">([^<]*)</mark>', text)]


def test_a_rejected_line_has_the_column_at_fault_marked(pages: Pages, county: Pipeline, case: str) -> None:
    run = ingest(county, line(case, 0, "20x6"), line(case, 1, "<b>7</b>"), "1^2^3")
    shown = page(pages, f"ingestion/{run}")
    assert marks(shown) == [("cfn_year", "20x6"), ("cfn_seq", "<b>7</b>")]
    assert "<b>7</b>" not in shown
    assert "3 fields instead of" in shown
    assert shown.count('<tr id="line-') == 3


@pytest.mark.parametrize(
    ("reason", "text", "expected"),
    [
        ("cfn_seq is not a whole number", "2026^x^1", [("2026^", False), ("x", True), ("^1", False)]),
        ("cfn_year is not a whole number", "^1^1", [("␣", True), ("^1^1", False)]),
        ("group_id is missing", "1^2^", [("1^2^", False), ("␣", True)]),
        ("malformed", "1^2", [("1^2", False)]),
        ("no_such_column is missing", "1^2", [("1^2", False)]),
        ("group_id is missing", "1^2", [("1^2", False)]),
        (None, "", [("", False)]),
        (
            "cfn_seq is not a whole number",
            "1^\x1b[31m\u202e^3",
            [("1^", False), ("␛[31m⟨U+202E⟩", True), ("^3", False)],
        ),
    ],
)
def test_only_a_column_of_the_layout_is_marked(
    reason: str | None, text: str | None, expected: list[tuple[str, bool]]
) -> None:
    found = [(part.text, part.is_fault) for part in marked("Cases.exp", text, reason)]
    assert found == expected


def test_a_long_line_is_shortened_around_its_mark() -> None:
    parts = marked("Cases.exp", "1" * 5000 + "^" + "x" * 5000 + "^" + "2" * 5000, "cfn_seq is not a whole number")
    assert [len(part.text) for part in parts] == [161, 161, 161]
    assert parts[0].text.startswith("…1") and parts[1].text.endswith("x…") and parts[2].text.startswith("^2")


def test_a_layout_that_is_gone_marks_nothing() -> None:
    assert [part.is_fault for part in marked("Old.exp", "1^2", "cfn_seq is missing")] == [False]
    assert [part.is_fault for part in marked(None, "1^2", "cfn_seq is missing")] == [False]


def test_a_whole_line_is_shown_on_demand(pages: Pages, county: Pipeline, case: str) -> None:
    run = ingest(county, line(case, 0, "x" * 3000 + "<script>"))
    shown = page(pages, f"ingestion/{run}")
    found = re.search(rf"ingestion/{run}/lines/(\d+)", shown)
    assert found is not None
    assert "x" * 3000 + "&lt;script&gt;" in pages.viewer.get(f"ingestion/{run}/lines/{found[1]}").text
    assert pages.viewer.get(f"ingestion/{run}/lines/{int(found[1]) + 1}").status_code == 404
    assert pages.viewer.get(f"ingestion/{run}/lines/{10**30}").status_code == 404


def test_all_rejected_lines_are_exported_and_no_cell_is_a_formula(pages: Pages, county: Pipeline, case: str) -> None:
    run = ingest(county, "=HYPERLINK(1)^2", line(case, 0, "20x6"))
    answer = pages.viewer.get(f"ingestion/{run}/rejected.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="rejected-daily-2026-11-20.csv"' in answer.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["file_name", "line_number", "reason", "raw_line"]
    assert rows[1][3] == "'=HYPERLINK(1)^2"
    assert rows[2][:3] == ["Cases.exp", "401", "cfn_year is not a whole number"]


def test_many_rejected_lines_have_pages_and_one_csv(pages: Pages) -> None:
    rows = pages.rows
    run = rows.insert("data_ingestion_logs", ingestion_type="daily_ftp", ingestion_date=FRIDAY, run_id="r")
    rows.database.connection.execute(
        "INSERT INTO rejected_records (feed, business_date, file_name, line_number, reason, raw_line)"
        " SELECT 'daily', %s, 'Cases.exp', n, 'malformed', 'line ' || n FROM generate_series(1, 450) n",
        (FRIDAY,),
    )
    first = page(pages, f"ingestion/{run}")
    assert first.count('<tr id="line-') == 50
    more = re.search(r"after=(\d+)#rejected", first)
    assert more is not None
    assert "line 51<" in page(pages, f"ingestion/{run}?after={more[1]}")
    assert len(pages.viewer.get(f"ingestion/{run}/rejected.csv").text.splitlines()) == 451


def test_a_run_shows_its_files_steps_and_leads_and_links_to_airflow(pages: Pages, county: Pipeline) -> None:
    run = county.run(FRIDAY, GOOD[:3])
    for step in ("match", "merge"):
        with timed_step(county.connection, run, step):
            pass
    county.connection.execute(
        "UPDATE data_ingestion_logs SET run_id = 'scheduled__2026-11-20T11:00:00+00:00/x' WHERE id = %s", (run,)
    )
    shown = page(pages, f"ingestion/{run}")
    assert "/dags/daily_ftp_ingestion/runs/scheduled__2026-11-20T11%3A00%3A00%2B00%3A00%2Fx" in shown
    assert re.search(r"<td>Cases.exp</td>.*?<td class=\"number\">3</td><td class=\"number\">3</td>", shown)
    assert "<td>new_homeowner</td>" in shown
    for step in ("match", "merge"):
        assert f"<td>{step}</td>" in shown


def test_the_list_is_filtered_and_paged(pages: Pages) -> None:
    for number in range(60):
        pages.rows.insert(
            "data_ingestion_logs",
            ingestion_type="weekly_ftp" if number == 7 else "daily_ftp",
            ingestion_date=FRIDAY - timedelta(days=number),
            run_id=f"r{number}",
            status="failed" if number == 9 else "success",
        )
    assert page(pages, "ingestion").count('<tr id="run-') == 50
    older = re.search(r"ingestion\?&amp;before=(\d+)|before=(\d+)", page(pages, "ingestion"))
    assert older is not None
    assert page(pages, f"ingestion?before={older[1] or older[2]}").count('<tr id="run-') == 10
    assert page(pages, "ingestion?feed=weekly_ftp_ingestion").count('<tr id="run-') == 1
    assert page(pages, "ingestion?status=failed").count('<tr id="run-') == 1
    assert page(pages, f"ingestion?since={THURSDAY}").count('<tr id="run-') == 2
    assert "No run matches" in page(pages, "ingestion?feed=monthly_ftp_ingestion")


@pytest.mark.parametrize("query", ["feed=x", "status=x", "since=yesterday", "before=x", "since=2026-02-30", "feed=%00"])
def test_a_wrong_filter_is_refused(pages: Pages, query: str) -> None:
    assert pages.viewer.get(f"ingestion?{query}").status_code == 400


@pytest.mark.parametrize("run", ["0", "999", "9" * 30, "x"])
def test_an_unknown_run_is_not_found(pages: Pages, run: str) -> None:
    for path in (f"ingestion/{run}", f"ingestion/{run}/rejected.csv", f"ingestion/{run}/lines/1"):
        assert pages.viewer.get(path).status_code in (400, 404)


def test_a_failed_run_says_why_without_running_what_it_says(pages: Pages, county: Pipeline) -> None:
    runs.fail_run(county.connection, feeds.DAILY, "r1", reason="<img src=x onerror=alert(1)>", day=FRIDAY)
    run = pages.rows.one("SELECT id FROM data_ingestion_logs")
    shown = page(pages, f"ingestion/{run}")
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown and "<img" not in shown
