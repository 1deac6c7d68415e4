"""All programs log events in one format, with ids and without secrets or personal data."""

from __future__ import annotations

import ast
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from leads import logs
from local.paths import ROOT

PACKAGES = ("leads", "notifier", "county", "operations", "dags", "plugins")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
RESERVED = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def formatted(message: str, *arguments: object, error: BaseException | None = None, **fields: Any) -> dict[str, Any]:
    """Return the JSON line that a program writes for one log record."""
    found = (type(error), error, error.__traceback__) if error else None
    record = logging.getLogger("some.module").makeRecord(
        "some.module", logging.WARNING, "file.py", 1, message, arguments, found, extra=fields
    )
    return dict(json.loads(logs.formatter(is_terminal=False).format(record)))


def test_an_event_is_a_line_of_json_with_its_fields() -> None:
    line = formatted("delivery_requeued", delivery_id=7, code="503")
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "delivery_requeued",
        "level": "warning",
        "logger": "some.module",
        "delivery_id": 7,
        "code": "503",
    }


def test_a_librarys_log_lines_have_the_same_format() -> None:
    assert formatted("%s of %d", "one", 2)["event"] == "one of 2"


def test_an_event_is_not_repeated_when_another_handler_has_formatted_the_record() -> None:
    record = logging.makeLogRecord({"msg": "Started %s", "args": ("x",), "color_message": "Started \x1b[1mx"})
    logging.Formatter("%(asctime)s %(message)s").format(record)
    line = json.loads(logs.formatter(is_terminal=False).format(record))
    assert set(line) == {"event", "timestamp", "level", "logger"}


def test_bound_ids_are_on_every_line() -> None:
    with structlog.contextvars.bound_contextvars(queue="email-workflows"):
        assert formatted("of_a_library")["queue"] == "email-workflows"
    assert "queue" not in formatted("later")


def test_an_exception_is_written_by_type_and_place_without_its_message() -> None:
    try:
        raise ValueError("the number of Maria")
    except ValueError as error:
        line = formatted("failed", error=error)
    assert line["exception"].startswith("ValueError at test_an_exception_is_written")
    assert "Maria" not in json.dumps(line)


def test_secrets_and_personal_data_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWILIO_AUTH_TOKEN", "0123456789abcdef")
    line = json.dumps(
        formatted(
            "sent to maria@example.com with 0123456789abcdef",
            numbers=["+13055550123"],
            more={"url": "https://user:hunter22@example.com"},
        )
    )
    for secret in ("maria@", "0123456789abcdef", "+1305", "hunter22"):
        assert secret not in line


def test_on_a_terminal_the_log_is_text() -> None:
    record = logging.makeLogRecord({"msg": "delivery_requeued", "delivery_id": 7, "levelname": "WARNING"})
    text = logs.formatter(is_terminal=True).format(record)
    assert "delivery_requeued" in text and "delivery_id" in text and not text.startswith("{")


PROGRAM = """
import logging, sys
from leads import logs
logs.configure()
logs.configure()
logs.get_logger("ours").info("started", pid=1)
logging.getLogger("uvicorn.access").info("GET /health")
logging.getLogger("dramatiq").warning("booting")
"""


def test_a_program_and_its_libraries_write_one_format_each_line_once() -> None:
    lines = _lines_of(PROGRAM)
    assert [(line["logger"], line["event"]) for line in lines] == [
        ("ours", "started"),
        ("uvicorn.access", "GET /health"),
        ("dramatiq", "booting"),
    ]
    assert lines[0]["pid"] == 1


LIBRARY = """
import logging, sys
logging.basicConfig(stream=sys.stderr, format='{"event": "%(message)s", "code": "%(code)s"}')
from leads import logs
logs.get_logger("ours").warning("delivery_requeued", code="503")
"""


def test_a_program_that_only_imports_the_package_keeps_its_own_log_format() -> None:
    assert _lines_of(LIBRARY) == [{"event": "delivery_requeued", "code": "503"}]


TASK = """
import sys
from leads import logs
log = logs.get_logger("ours")
from airflow.sdk.log import configure_logging
configure_logging(json_output=True, output=sys.stderr.buffer)
log.warning("file_staged", object_name="daily/2026-11-20/Cases.exp", staged=3)
"""


def test_in_an_airflow_task_events_and_their_fields_are_in_the_log_of_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    (line,) = _lines_of(TASK)
    assert (line["event"], line["staged"], line["level"]) == ("file_staged", 3, "warning")


def _lines_of(program: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=120)
    return [json.loads(line) for line in run.stderr.splitlines() if line.startswith("{")]


def _calls() -> Iterator[tuple[str, ast.Call]]:
    """Find every logging call in the packages; yield the call's file and line, and its syntax node."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                match node:
                    case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level)) if level in LEVELS:
                        yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def test_every_event_has_a_constant_name_and_named_fields() -> None:
    wrong = []
    for place, call in _calls():
        (event, *more) = call.args or [ast.Constant(None)]
        constant = isinstance(event, ast.Constant) and isinstance(event.value, str) and event.value.isidentifier()
        if not constant or more or {keyword.arg for keyword in call.keywords} & RESERVED:
            wrong.append(place)
    assert not wrong, (
        "log events as log.<level>('constant_name', field=…), with no field named like an attribute of LogRecord"
    )
