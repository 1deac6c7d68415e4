"""Every migration makes the reference tables equal to their CSV files."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from migrations import MigrationError
from migrations.reference_data import REFERENCE, load_reference, reference_files
from tests.migrations.test_repeatables import edit, folders, migrate, value
from tests.servers.postgres import Database

__all__ = ["folders"]


def test_a_changed_file_adds_changes_and_removes_rows_in_an_existing_database(
    database: Database, folders: tuple[Path, Path]
) -> None:
    path = folders[1] / "document_types.csv"
    edit(path, "AFD,AGREEMENT FOR DEED,other,false\n", "ZZZ,NEW CODE,deed,false\n")
    edit(path, "AFF,AFFIDAVIT,other,false", "AFF,SWORN STATEMENT,other,true")

    assert migrate(database, folders) == ["reference/document_types.csv"]

    rows = "SELECT array_agg(ROW (code, label, is_conveyance, releases_mortgage)::text ORDER BY code)"
    rows += " FROM document_types WHERE code IN ('AFD', 'AFF', 'ZZZ')"
    assert value(database, rows) == ['(AFF,"SWORN STATEMENT",f,t)', '(ZZZ,"NEW CODE",t,f)']
    assert migrate(database, folders) == []


def test_an_unchanged_row_is_not_rewritten(database: Database, folders: tuple[Path, Path]) -> None:
    versions = (
        "SELECT array_agg(xmin::text || ctid::text ORDER BY folio_prefix) FROM municipalities WHERE folio_prefix < '99'"
    )
    before = value(database, versions)
    path = folders[1] / "municipalities.csv"
    path.write_text(path.read_text("utf-8") + "99,Nowhere,false\n")

    migrate(database, folders)

    assert value(database, versions) == before
    assert value(database, "SELECT municipality FROM municipalities WHERE folio_prefix = '99'") == "Nowhere"


def test_an_alias_that_an_operator_added_stays_and_one_that_left_the_file_goes(
    database: Database, folders: tuple[Path, Path]
) -> None:
    database.connection.execute("INSERT INTO street_aliases (alias, street) VALUES ('|OLD MILL|RD', '|MILL|RD')")
    edit(folders[1] / "street_aliases.csv", "alias,street\n|CALLE OCHO|,SW|8|ST\n", "alias,street\n")

    migrate(database, folders)

    aliases = (
        "SELECT array_agg(alias ORDER BY alias) FROM street_aliases WHERE alias IN ('|OLD MILL|RD', '|CALLE OCHO|')"
    )
    assert value(database, aliases) == ["|OLD MILL|RD"]


def test_a_row_that_other_rows_refer_to_is_not_removed_and_the_error_names_both(
    database: Database, folders: tuple[Path, Path]
) -> None:
    database.connection.execute(
        "INSERT INTO deliveries (channel, kind, dedupe_key) VALUES ('email', 'weekly_report', 'report:1:x')"
    )
    path = folders[1] / "delivery_kinds.csv"
    path.write_text("".join(line for line in path.open(encoding="utf-8") if not line.startswith("weekly_report")))

    with (
        pytest.raises(MigrationError, match=r"reference/delivery_kinds\.csv .* deliveries .*weekly_report.* Keep it"),
        database.connection.transaction(),
    ):
        migrate(database, folders)

    assert value(database, "SELECT count(*) FROM delivery_kinds WHERE kind = 'weekly_report'") == 1


def test_a_new_street_word_reaches_the_function(database: Database, folders: tuple[Path, Path]) -> None:
    path = folders[1] / "street_words.csv"
    path.write_text(path.read_text("utf-8") + "GASSE,type,GASSE\n")

    applied = migrate(database, folders)

    assert applied[:2] == ["reference/street_words.csv", "repeatable/street_words.sql"]
    assert value(database, "SELECT street_word('GASSE')") == "type GASSE"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("01,Twice,false\n", "gives a key twice, correct the file: 01"),
        ("9X,Wrong,false\n", "does not fit its table.*municipalities_folio_prefix_check"),
        ("99,Nowhere,perhaps\n", "does not fit its table.*invalid input syntax for type boolean"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_the_reason(
    database: Database, folders: tuple[Path, Path], line: str, reason: str
) -> None:
    path = folders[1] / "municipalities.csv"
    path.write_text(path.read_text("utf-8") + line)

    with (
        pytest.raises(MigrationError, match=rf"reference/municipalities\.csv {reason}"),
        database.connection.transaction(),
    ):
        migrate(database, folders)


def test_every_reference_file_is_loaded_as_it_is(database: Database) -> None:
    """Each table has as many rows as its file has lines, so no row comes from another source."""
    for path in reference_files(REFERENCE):
        count = f"SELECT count(*) FROM {path.stem}"
        assert value(database, count) == len(path.read_text("utf-8").splitlines()) - 1, path.name
        with database.connection.transaction():
            load_reference(database.connection, path)


def test_a_locked_table_is_not_reported_as_a_wrong_file(database: Database) -> None:
    with psycopg.connect(database.url) as other:
        other.execute("LOCK TABLE municipalities")
        database.connection.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            load_reference(database.connection, REFERENCE / "municipalities.csv")
