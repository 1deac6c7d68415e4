"""Released revisions never change, and new revisions follow the rules for databases that are in use."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from migrations import HERE, configuration

VERSIONS = HERE / "versions"
FROZEN = VERSIONS / "sql" / "SHA256SUMS"
SQUAWK = Path(sys.executable).with_name("squawk")
BREAKING = r"squawk-ignore .*(?:drop|rename|renaming)"
UNUSED = r"^-- unused since \d+\.\d+\.\d+"


def checksums() -> dict[str, str]:
    files = [*VERSIONS.glob("*.py"), *(VERSIONS / "sql").glob("*/*")]
    return {str(path.relative_to(VERSIONS)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def unmarked_breaks(text: str) -> bool:
    """Return whether ``text`` drops or renames something without naming the release that stopped using it."""
    return bool(re.search(BREAKING, text, re.IGNORECASE)) and not re.search(UNUSED, text, re.MULTILINE)


def squawk(*paths: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [SQUAWK, "--config", HERE / "squawk.toml", "--reporter", "gcc", *paths]
    return subprocess.run(command, capture_output=True, text=True)


def test_released_revisions_never_change() -> None:
    """Do not change a released revision. Write a new one, and add its checksums to the list when you merge it."""
    pairs = (line.split("  ") for line in FROZEN.read_text("utf-8").splitlines())
    frozen = {name: checksum for checksum, name in pairs}
    now = checksums()
    assert {name: checksum for name, checksum in now.items() if name in frozen} == frozen
    assert set(now) == set(frozen), f"when the revision is merged, add its lines to {FROZEN.name}"


def test_revisions_are_one_line_without_branches() -> None:
    scripts = ScriptDirectory.from_config(configuration("postgresql://nowhere/leads"))
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert revisions == [f"{number:04}" for number in range(len(revisions), 0, -1)]


def test_new_revisions_follow_the_rules_of_squawk() -> None:
    done = squawk(*sorted((VERSIONS / "sql").glob("*/*.sql")))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_drop_or_rename_names_the_release_in_which_the_last_use_ended() -> None:
    assert [path.name for path in VERSIONS.rglob("*.sql") if unmarked_breaks(path.read_text("utf-8"))] == []
    marked = "-- unused since 0.4.0\n-- squawk-ignore ban-drop-column\nALTER TABLE leads DROP COLUMN lead_source;\n"
    assert not unmarked_breaks(marked)
    assert unmarked_breaks(marked.partition("\n")[2])


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("CREATE INDEX x ON deliveries (kind);", "require-concurrent-index-creation"),
        ("ALTER TABLE leads ALTER COLUMN lead_date TYPE timestamptz;", "changing-column-type"),
        ("ALTER TABLE leads ALTER COLUMN lead_date SET NOT NULL;", "adding-not-nullable-field"),
        ("ALTER TABLE leads ADD CONSTRAINT x CHECK (lead_date > '2000-01-01');", "constraint-missing-not-valid"),
        ("ALTER TABLE leads DROP COLUMN lead_date;", "ban-drop-column"),
        ("ALTER TABLE leads RENAME COLUMN lead_date TO day;", "renaming-column"),
    ],
)
def test_the_rules_find_statements_that_block_or_break_a_running_system(
    tmp_path: Path, statement: str, rule: str
) -> None:
    path = tmp_path / "x.sql"
    path.write_text(statement + "\n")
    done = squawk(path)
    assert done.returncode == 1
    assert rule in done.stdout
