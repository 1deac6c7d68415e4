"""The documentation's links resolve, and all files, folders, DAGs, queues and make targets named in it exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from leads.deployment_settings import DeploymentSettings
from leads.settings import is_secret
from notifier.core.queues import KINDS, QUEUES
from notifier.core.settings import NotifierSettings
from notifier.core.states import State
from operations.monitoring.queue_metrics import QUEUES as MEASURED_QUEUES
from operations.retention.rules import KEPT, STAGING

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), ROOT / "migrations" / "README.md", *ROOT.glob("docs/**/*.md")])
FOLDERS = sorted(
    folder.name
    for folder in ROOT.iterdir()
    if folder.is_dir()
    and folder.name.isalpha()
    and (next(folder.rglob("*.py"), None) or next(folder.rglob("*.md"), None))
)
#: This pattern matches ``county/feeds.py`` and ``dags/``, but not ``roll/<date>/`` or ``{API_URL}/twilio``.
PATH = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[\w./*-]*)`")
#: This pattern matches a make target either in inline code, or at the beginning of a line that has a comment.
TARGET = re.compile(r"`make ([a-z-]+)|^make ([a-z-]+) +#", re.MULTILINE)
DAG_ID = re.compile(r"`(\w+_(?:ingestion|roll|scoring|cleanup|metrics|watch|digest|reminders|report))`")
QUEUE = re.compile(r"`((?:api|voice|sms|email|admin)-[a-z-]+)`")

on_every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}


@on_every_page
def test_links_resolve(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.is_file(), link
        assert not anchor or anchor in anchors(target), link


@on_every_page
def test_files_and_folders_that_are_named_exist(page: Path) -> None:
    missing = [name for name in PATH.findall(page.read_text("utf-8")) if not list(ROOT.glob(name.rstrip("/.")))]
    assert not missing


@on_every_page
def test_make_targets_that_are_named_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {"".join(groups) for groups in TARGET.findall(page.read_text("utf-8"))}
    assert named <= targets


@on_every_page
def test_dags_and_queues_that_are_named_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    dags = {path.stem for path in ROOT.glob("dags/*.py")}
    assert set(DAG_ID.findall(text)) - STAGING - set(KEPT) <= dags, "neither a DAG nor a table"
    assert set(QUEUE.findall(text)) - {"daily-ftp-ingestion"} <= set(QUEUES) == set(MEASURED_QUEUES)


@on_every_page
def test_a_page_names_no_path_of_a_machine(page: Path) -> None:
    assert not re.findall(r"(?<![\w}/:])/(?:home|root|tmp|work|Users)/", page.read_text("utf-8"))


def test_the_front_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 90


def test_the_architecture_names_every_folder_and_every_package_of_the_notifier() -> None:
    packages = [str(init.parent.relative_to(ROOT)) for init in ROOT.glob("notifier/*/__init__.py")]
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    assert [name for name in [*(f"{folder}/" for folder in FOLDERS), *packages] if f"`{name}`" not in text] == []


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("states.md", list(State)),
        ("sending.md", [*KINDS, *QUEUES]),
        (
            "ingestion.md",
            [path.stem for path in ROOT.glob("dags/*.py") if "**When it fails**" in path.read_text("utf-8")],
        ),
    ],
)
def test_the_pages_name_every_state_kind_and_dag(page: str, names: list[str]) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    assert names
    assert [name for name in names if f"`{name}`" not in text] == []


def test_every_decision_is_listed() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text("utf-8")
    assert [page.name for page in ROOT.glob("docs/decisions/[0-9]*.md") if f"({page.name})" not in index] == []


def test_every_promise_of_the_security_page_names_tests_that_exist() -> None:
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", text.split("## Promises and their tests")[1], re.MULTILINE)[2:]
    assert len(rows) > 20
    for promise, tests in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", tests)
        assert named, f"no test holds: {promise}"
        for path, name in named:
            assert (ROOT / path).exists(), path
            assert f"def {name}(" in (ROOT / path).read_text("utf-8"), f"{path}::{name}"


def test_the_security_page_names_every_secret_and_every_route() -> None:
    from notifier.web import app

    text = (ROOT / "SECURITY.md").read_text("utf-8")
    fields = DeploymentSettings.model_fields | NotifierSettings.model_fields
    secrets = [name for name, field in fields.items() if is_secret(field) and not name.startswith("airflow_conn_")]
    addresses = {"database_url", "redis_url"}  # SECURITY.md names the settings for these URLs' passwords.
    assert [name for name in secrets if name not in addresses and f"`{name.upper()}`" not in text] == []
    routes = {route.path for route in app.routes if isinstance(route, APIRoute)}
    known = ("/api/properties/lookup", "/twilio/voice/", "/twilio/sms/")
    assert [path for path in routes if not path.startswith(known) and path not in text] == []
