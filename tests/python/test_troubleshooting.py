"""docs/troubleshooting.md: every error class and fallback reason has its section, what is quoted is
still printed by the sources, and errors name the page."""

import re
import traceback
from pathlib import Path

import mm_orch.exceptions
import pytest
from mm_orch import _core

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs" / "troubleshooting.md").read_text()
HEADINGS = re.findall(r"^#{2,3} (.+)$", PAGE, re.MULTILINE)
QUOTES = [heading[1:-1] for heading in HEADINGS if heading.startswith("`")]
CLASSES = [
    value
    for value in vars(mm_orch.exceptions).values()
    if isinstance(value, type) and issubclass(value, Exception)
]


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def printed_text() -> str:
    """All string literals of the sources, adjacent ones joined."""
    texts = []
    for folder in ("src", "apps", "backends", "python/src", "text/src"):
        for path in sorted((REPOSITORY / folder).rglob("*")):
            if path.suffix in (".cpp", ".h", ".rs"):
                text = re.sub(r'"\s*\n\s*"', "", path.read_text())
                texts.append(re.sub(r"\\\n\s*", "", text).replace('\\"', '"'))
    return re.sub(r"\{[^{}\n]*\}", "<>", "\n".join(texts))


SOURCES = printed_text()


def test_there_are_classes_and_quotes():
    assert len(CLASSES) == 16
    assert len(QUOTES) > 50


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_has_its_section_and_names_it(kind):
    assert kind.__name__ in HEADINGS
    page, _, section = kind("x").docs.partition("#")
    assert (REPOSITORY / page).is_file()
    assert section == anchor(kind.__name__)


def test_every_fallback_reason_has_its_section():
    source = (REPOSITORY / "src" / "manager" / "fallback.cpp").read_text()
    reasons = re.findall(r"case FallbackReason::k\w+:\n\s+return \"(\w+)\";", source)
    assert len(reasons) >= 8
    assert set(reasons) <= set(HEADINGS)


@pytest.mark.parametrize("quote", QUOTES)
def test_what_is_quoted_is_what_is_printed(quote):
    """Each part of a message between what differs from case to case."""
    parts = [part.strip(" ,.;:'\"()") for part in re.split(r"<[^<>]*>", quote)]
    assert max(len(part) for part in parts) > 5
    for part in parts:
        assert part in SOURCES, part


def test_links_within_the_page_lead_somewhere():
    anchors = {anchor(heading) for heading in HEADINGS}
    links = re.findall(r"\]\(#([^)]+)\)", PAGE)
    assert links
    assert set(links) <= anchors


def test_a_traceback_names_the_section():
    with pytest.raises(mm_orch.exceptions.DeviceError) as caught:
        _core._throw_error(8, "Device 'GPU' not available")
    assert str(caught.value) == "Device 'GPU' not available"
    shown = "".join(traceback.format_exception(caught.value))
    assert shown.rstrip().endswith("See docs/troubleshooting.md#deviceerror")
