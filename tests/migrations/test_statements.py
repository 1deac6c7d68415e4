"""Every statement in a package's ``sql/`` folder fits the migrated schema's tables, columns, functions and types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from migrations import HERE
from tests.servers.postgres import Database

ROOT = HERE.parent
NOT_OURS = {".venv", ".local", ".git", "migrations", "tests", "node_modules"}
TEMPLATES: dict[str, dict[str, str]] = {
    "dead_letter_groups.sql": {"rows": "SELECT * FROM failed_jobs"},
    "dead_letter_ids.sql": {"direction": "DESC", "rows": "SELECT * FROM failed_jobs"},
    "dead_letter_page.sql": {"ids": "SELECT 1::bigint AS id"},
    "delete_archived.sql": {"archived": "d", "table": "queue_metrics"},
    "empty_deliveries.sql": {"archived": "d"},
    "delete_old.sql": {"age": "recorded_at", "condition": "true", "table": "queue_metrics"},
    "delete_without_id.sql": {"age": "day", "condition": "true", "table": "subscriber_unit_budget"},
    "empty_old.sql": {
        "age": "business_date",
        "assignments": "party_name = NULL",
        "condition": "true",
        "table": "court_records",
    },
    "deliveries_of_subscriber.sql": {"direction": "DESC", "subscriber": "1"},
    "delivery_branch.sql": {"branch": "SELECT * FROM deliveries", "direction": "DESC"},
    "delivery_ids.sql": {"direction": "DESC", "source": "SELECT * FROM deliveries"},
    "delivery_page.sql": {"ids": "SELECT 1::bigint AS id"},
    "delivery_scan_end.sql": {"direction": "DESC", "source": "SELECT * FROM deliveries"},
    "delivery_source.sql": {"branches": "SELECT * FROM deliveries", "direction": "DESC"},
    "open_batch.sql": {"age": "recorded_at", "condition": "true", "table": "queue_metrics"},
    "rows_to_archive.sql": {"archived": "d", "table": "queue_metrics"},
}
"""Files whose ``{names}`` a table of rules fills in, with an example of each."""

TYPES = {"scale": psycopg.adapters.types["float8"].oid}
"""Parameter → type, as psycopg sends it, where PostgreSQL cannot infer the type from the statement."""

SKIPPED: dict[str, str] = {
    "airflow_came_up.sql": "reads Airflow's own database, which has another schema",
}
"""File → the reason why it cannot be checked. A test fails when an entry is no longer needed."""

PARAMETER = re.compile(r"%\((\w+)\)s|%%")
TEMPORARY = re.compile(r"CREATE TEMP TABLE (?:IF NOT EXISTS )?(\w+)")
COMMENTS_AND_TEXTS = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|(\$\w*\$).*?\1", re.DOTALL)


def sql_files() -> list[Path]:
    found = ROOT.rglob("sql/*.sql")
    return sorted(path for path in found if not NOT_OURS.intersection(path.relative_to(ROOT).parts))


def read(path: Path) -> str:
    text = path.read_text("utf-8")
    return text.format(**TEMPLATES[path.name]) if path.name in TEMPLATES else text


def statements(text: str) -> Iterator[str]:
    """Yield the statements in SQL text. A statement ends at a semicolon outside comments and string literals."""
    masked = COMMENTS_AND_TEXTS.sub(lambda match: "x" * len(match[0]), text)
    begin = 0
    for end in [*(match.start() for match in re.finditer(";", masked)), len(text)]:
        if COMMENTS_AND_TEXTS.sub(lambda match: "" if match[0].startswith("--") else match[0], text[begin:end]).strip():
            yield text[begin:end]
        begin = end + 1


def numbered(statement: str) -> tuple[str, list[int]]:
    """Replace named parameters with numbered parameters; return the statement and the parameters' types.

    A type of 0 means that PostgreSQL infers the type.
    """
    names: list[str] = []

    def replace(match: re.Match[str]) -> str:
        if match[1] is None:
            return "%"
        if match[1] not in names:
            names.append(match[1])
        return f"${names.index(match[1]) + 1}"

    text = PARAMETER.sub(replace, statement)
    return text, [TYPES.get(name, 0) for name in names]


def check(connection: psycopg.Connection[object], statement: str) -> None:
    """Make PostgreSQL parse and analyze ``statement`` without running it.

    If ``statement`` creates a temporary table, create the table without rows.
    """
    if TEMPORARY.search(statement):
        connection.execute((PARAMETER.sub(lambda m: "NULL" if m[1] else "%", statement) + "\nWITH NO DATA").encode())
        return
    text, types = numbered(statement)
    result = connection.pgconn.prepare(b"", text.encode(), types)
    if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(result)


def makers(path: Path) -> list[Path]:
    """Return the files that create the temporary tables needed by ``path``, in the order in which they must run."""
    text = COMMENTS_AND_TEXTS.sub(" ", read(path))
    own = set(TEMPORARY.findall(text))
    needed: list[Path] = []
    for other in path.parent.glob("*.sql"):
        made = set(TEMPORARY.findall(read(other))) - own
        if other != path and any(re.search(rf"\b(?:FROM|JOIN|INTO|UPDATE|USING) {name}\b", text) for name in made):
            needed += [file for file in [*makers(other), other] if file not in needed]
    return needed


def make_temporary_tables(connection: psycopg.Connection[object], path: Path) -> None:
    for statement in statements(read(path)):
        if names := TEMPORARY.findall(statement):
            connection.execute(f"DROP TABLE IF EXISTS pg_temp.{names[0]}")
            check(connection, statement)


@pytest.mark.parametrize("path", [file for file in sql_files() if file.name not in SKIPPED], ids=lambda path: path.stem)
def test_a_statement_fits_the_schema(shared_database: Database, path: Path) -> None:
    with shared_database.connection.transaction(force_rollback=True):
        for other in makers(path):
            make_temporary_tables(shared_database.connection, other)
        for statement in statements(read(path)):
            for name in TEMPORARY.findall(statement):
                shared_database.connection.execute(f"DROP TABLE IF EXISTS pg_temp.{name}")
            check(shared_database.connection, statement)


@pytest.mark.parametrize("name", SKIPPED)
def test_a_skipped_statement_still_cannot_be_checked(shared_database: Database, name: str) -> None:
    (path,) = (file for file in sql_files() if file.name == name)
    with pytest.raises(psycopg.Error), shared_database.connection.transaction(force_rollback=True):
        for statement in statements(read(path)):
            check(shared_database.connection, statement)


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_example_for_a_template_is_still_needed(name: str) -> None:
    (path,) = (file for file in sql_files() if file.name == name)
    assert set(re.findall(r"(?<!\{)\{(\w+)\}", path.read_text("utf-8"))) == set(TEMPLATES[name])


def test_the_check_finds_statements_that_do_not_fit(shared_database: Database) -> None:
    for wrong in (
        "SELECT no_such_column FROM leads",
        "SELECT id FROM leads WHERE lead_date = %(day)s AND id = %(day)s",
        "SELECT no_such_function(%(x)s)",
        "CREATE TEMP TABLE x ON COMMIT DROP AS SELECT no_such_column FROM leads",
    ):
        with pytest.raises(psycopg.Error), shared_database.connection.transaction(force_rollback=True):
            check(shared_database.connection, wrong)


def test_files_are_found_wherever_their_packages_are() -> None:
    names = [path.name for path in sql_files()]
    assert len(names) > 80
    assert {"claim.sql", "merge_documents.sql"} <= set(names)
