"""The unsubscribe page works in a browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.notifier.system import System

CHROMIUM = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), None)
pytestmark = [pytest.mark.drill, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]


@pytest.fixture
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield running
        running.close()


@pytest.fixture
def link(web: httpx.Client, system: System) -> str:
    from notifier.messages.links import unsubscribe_url

    url = unsubscribe_url(system.subscriber(email="Jane@Example.test"))
    return url.replace(os.environ["API_URL"], str(web.base_url).rstrip("/"))


def test_a_reader_unsubscribes_with_the_keyboard_and_sees_that_it_worked(
    browser: Any, link: str, system: System
) -> None:
    page = browser.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(link)
    assert page.get_by_role("heading", level=1).inner_text() == "Stop these e-mails?"
    assert page.locator("html").get_attribute("lang") == "en"
    assert system.rows("SELECT * FROM suppressions") == []
    # The page's security policy allows the page's own style sheet.
    assert page.locator("main").evaluate("e => getComputedStyle(e).maxWidth") == "512px"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="You are unsubscribed").wait_for()
    assert system.rows("SELECT address, reason FROM suppressions") == [("jane@example.test", "unsubscribe")]
    page.reload()
    assert "You are unsubscribed" in page.title()
    assert {url.partition("?")[0] for url in asked if "favicon" not in url} == {link.partition("?")[0]}
    assert [text for text in complaints if "favicon" not in text and "404" not in text] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_is_readable(browser: Any, link: str, scheme: str) -> None:
    page = browser.new_page(viewport={"width": 320, "height": 640}, color_scheme=scheme)
    for address in (link, link[:-1]):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        for element in ("h1", "main p", "main a"):
            assert contrast(page, element) >= 4.5, (address, element)
    page.goto(link)
    box = page.get_by_role("button", name="Unsubscribe").bounding_box()
    assert box["height"] >= 44 and box["width"] >= 200
    assert contrast(page, "button") >= 4.5


def contrast(page: Any, selector: str) -> float:
    """Return the contrast ratio (WCAG) between an element's text and its background."""
    colors = page.locator(selector).first.evaluate(
        """element => {
            let behind = element;
            while (getComputedStyle(behind).backgroundColor === 'rgba(0, 0, 0, 0)') behind = behind.parentElement;
            return [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor];
        }"""
    )
    light, dark = sorted((luminance(color) for color in colors), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    parts = [int(part) / 255 for part in color[color.index("(") + 1 : -1].split(",")[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
