"""How the demo site looks: in each colour scheme and width, with pictures for people to judge.

The pictures go to the folder that ``BEESESSION_SCREENSHOTS`` names, else to the test's own.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page

from beesession_tests.browser.conftest import OFFERED, NewVisitor

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("site", [engine for engine in OFFERED if engine.name == "memory"], indirect=True),
]

WIDTHS = {"desktop": (1280, 800), "tablet": (768, 1024), "phone": (375, 760), "narrow": (320, 640)}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures go."""
    folder = Path(os.environ.get("BEESESSION_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off(new_visitor: NewVisitor, pictures: Path, width: str, scheme: str) -> None:
    across, down = WIDTHS[width]
    visitor = new_visitor(viewport={"width": across, "height": down}, color_scheme=scheme)
    counted = visitor.count()
    _judge(visitor.page, pictures / f"counter-{width}-{scheme}.png")
    visitor.open()
    visitor.press("Add one Acacia honey")
    visitor.set("n" * 40, "w" * 200)
    _judge(visitor.page, pictures / f"workbench-{width}-{scheme}.png")
    assert counted == "0"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_enough_for_small_text(new_visitor: NewVisitor, scheme: str) -> None:
    visitor = new_visitor(color_scheme=scheme)
    visitor.open()
    visitor.set("colour", "amber")
    texts = ("h1", ".intro p", ".hint", "dt", "nav a", "button.primary", "button.danger", ".messages li", ".no span")
    faint = {text: ratio for text in texts if (ratio := _contrast(visitor.page, text)) < 4.5}
    assert faint == {}


def test_keyboard_reaches_the_content_and_shows_where_it_is(new_visitor: NewVisitor) -> None:
    visitor = new_visitor()
    visitor.open()
    visitor.page.keyboard.press("Tab")
    skip = visitor.page.get_by_role("link", name="Skip to the content")
    assert skip.evaluate("link => link === document.activeElement")
    box = skip.bounding_box()
    assert box is not None
    assert box["x"] >= 0, "the link stays out of sight when it has the focus"
    assert skip.evaluate("link => getComputedStyle(link).outlineStyle") == "solid"


@pytest.mark.parametrize("path", ["", "counter/"])
def test_each_control_has_a_name(new_visitor: NewVisitor, path: str) -> None:
    visitor = new_visitor()
    visitor.open(path)
    unnamed = visitor.page.evaluate(
        """() => [...document.querySelectorAll("a, button, input:not([type=hidden])")]
            .filter(control => !(control.textContent.trim() || control.getAttribute("aria-label")
                || control.labels?.length))
            .map(control => control.outerHTML)"""
    )
    assert unnamed == []


def _judge(page: Page, picture: Path) -> None:
    page.screenshot(path=picture, full_page=True)
    wide, visible = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= visible, f"the page is {wide} px wide and {visible} px are visible"


def _contrast(page: Page, selector: str) -> float:
    """Return the contrast ratio of WCAG between an element's text and what is painted behind it."""
    ratio: float = page.locator(selector).first.evaluate(
        """element => {
            const channels = colour => colour.match(/[\\d.]+/g).map(Number);
            const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
                .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
                .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
            let behind = element;
            while (channels(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
            const text = light(channels(getComputedStyle(element).color));
            const ground = light(channels(getComputedStyle(behind).backgroundColor));
            return (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05);
        }"""
    )
    return ratio
