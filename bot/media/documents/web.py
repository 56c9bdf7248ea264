"""HTML pages as Markdown, without their scripts and their furniture."""

from __future__ import annotations

from bs4 import BeautifulSoup
from markdownify import MarkdownConverter

from bot.media.documents.draft import Draft
from bot.media.documents.plain import decoded

_MOST = 3_000_000  # bytes
_FURNITURE = (
    "script",
    "style",
    "noscript",
    "template",
    "svg",
    "iframe",
    "head",
    "nav",
    "form",
    "img",
    "button",
)


def read(data: bytes) -> Draft:
    """The page's words; of one that is nested beyond reason, without their shape. Raises `Unreadable`."""
    page = BeautifulSoup(decoded(data[:_MOST]), "lxml")
    title = page.title.get_text() if page.title else ""
    for element in page.find_all(_FURNITURE):
        if not element.decomposed:
            element.decompose()
    try:
        text = MarkdownConverter(heading_style="atx", bullets="-").convert_soup(page)
    except RecursionError:
        text = page.get_text("\n", strip=True)
    return Draft([text], title=title, cut=len(data) > _MOST)
