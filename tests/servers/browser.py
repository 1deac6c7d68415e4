"""Drive the system's headless Chromium with Playwright. Playwright's own browser may be missing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Start a browser and yield it. If Chromium is missing, the test is skipped, or fails in CI."""
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{CHROMIUM} is missing: in CI, .ci/run must install the package chromium")
        pytest.skip(f"{CHROMIUM} is missing: install the package chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def browser() -> Iterator[Page]:
    """Start a browser and yield an empty page."""
    with running_chromium() as chromium:
        yield chromium.new_page(viewport={"width": 1400, "height": 1000})
