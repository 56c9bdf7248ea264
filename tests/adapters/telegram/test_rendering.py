"""Markdown as people read it on Telegram: no word lost, every mark where it belongs."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.telegram.rendering import ENTITY_LIMIT, TEXT_LIMIT, Rendered, render, split, split_plain, units


def marks(markdown: str) -> list[tuple[str, str]]:
    """Each entity's type, and the text that it covers."""
    return [(entity.type, covered(render(markdown), entity)) for entity in render(markdown).entities]


def covered(rendered: Rendered, entity: object) -> str:
    offset, length = entity.offset, entity.length  # type: ignore[attr-defined]
    return rendered.text.encode("utf-16-le")[2 * offset : 2 * (offset + length)].decode("utf-16-le")


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, text))


def in_order(wanted: str, text: str) -> bool:
    rest = iter(text)
    return all(character in rest for character in wanted)


def test_what_looks_like_html_is_text() -> None:
    assert render("Use List<int> and a <script> tag").text == "Use List<int> and a <script> tag"
    block = "<details>\n<summary>More</summary>\nhidden\n</details>\n\n**after**"
    assert render(block).text == block.replace("**", "")
    assert marks(block) == [("bold", "after")]
    assert render(r"\<b> and \\<i>").text == r"<b> and \<i>"


def test_code_is_shown_to_the_letter() -> None:
    code = 'if (a < b || c) { s = "\\(\\alpha\\)"; } // **x** \\[\\frac{a}{b}\\] 中文**“x”**中 <br>'
    assert marks(f"```c\n{code}\n```") == [("pre", code)]
    assert marks(f"See `{code}`.") == [("code", code)]
    assert render(f"```c\n{code}\n```").entities[0].language == "c"


def test_emphasis_beside_chinese_characters() -> None:
    assert marks("他说**“引号”**中文") == [("bold", "“引号”")]
    assert sorted(marks("用**`code`**的方法")) == [("bold", "code"), ("code", "code")]
    assert sorted(marks("**中文(abc)**中文,看**[链接](https://x.org)**吧")) == [
        ("bold", "中文(abc)"),
        ("bold", "链接"),
        ("text_link", "链接"),
    ]
    assert marks("注意。**重要**的") == [("bold", "重要")]


@pytest.mark.parametrize(
    "url", ["https://x.org/a", "http://x.org", "mailto:a@x.org", "tg://resolve?domain=x"]
)
def test_links_lead_where_telegram_follows(url: str) -> None:
    (link,) = render(f"[here]({url})").entities
    assert (link.type, link.url) == ("text_link", url)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "docs/page.md", "file:///etc/passwd", "data:text/html,x"]
)
def test_other_links_are_text(url: str) -> None:
    assert (render(f"[here]({url})").text, marks(f"[here]({url})")) == ("here", [])


def test_definitions_and_autolinks_stay() -> None:
    assert render("See [1].\n\n[1]: https://x.org").text == "See [1].\n\n[1]: https://x.org"
    assert render("[Note]: careful").text == "[Note]: careful"
    assert marks("<https://x.org/a>") == [("text_link", "https://x.org/a")]


def test_headings_have_no_pictures_and_boxes_look_like_boxes() -> None:
    assert render("# One\n## Two\n- [ ] open\n- [x] done").text == "One\nTwo\n☐ open\n☑ done"
    assert ("bold", "One") in marks("# One")


def test_tables_are_aligned() -> None:
    assert marks("| a | bcd |\n|---|---|\n| long<br>er | e |") == [
        ("pre", "a       | bcd\n--------+----\nlong er | e  ".rstrip())
    ]


def test_formulas_are_readable_and_prices_are_prices() -> None:
    assert render(r"\(a_1 * b * c\)").text == "a_1 * b * c"
    assert render(r"\[ \frac{a}{b} \]").text == "a/b"
    assert render(r"foo\(bar\)").text == "foo(bar)"
    assert render("from $5 to $10").text == "from $5 to $10"


def test_an_operator_is_no_spoiler() -> None:
    assert (render("a || b || c").text, marks("a || b || c")) == ("a || b || c", [])


def test_offsets_count_utf16() -> None:
    assert marks("😀😀 **bold** 👨‍👩‍👧 _it_ **“引”**字") == [
        ("bold", "bold"),
        ("italic", "it"),
        ("bold", "“引”"),
    ]


def test_halves_of_characters_and_nul_do_not_reach_the_server() -> None:
    assert render("a\ud83d\ude00b\ud800c\0d").text == "a😀b\ufffdcd"


def test_what_has_no_words_shows_as_it_was_written() -> None:
    assert render("**").text == "**"
    assert render("```py\n```").text == "```py\n```"


def test_plain_is_the_same_words() -> None:
    assert render("**a** `b`").plain == Rendered("a b")


def test_messages_keep_to_both_limits() -> None:
    many = "".join(f"**w{n}** " for n in range(350))
    long = "😀字 word. " * 3000
    for markdown in (many, long):
        rendered = [render(part) for part in split(markdown)]
        assert all(units(r.text) <= TEXT_LIMIT and len(r.entities) <= ENTITY_LIMIT for r in rendered)
        assert letters("".join(r.text for r in rendered)) == letters(markdown)
    assert all(units(piece) <= 1024 for piece in split_plain(long, 1024))


def test_hostile_text_takes_no_time() -> None:
    started = time.process_time()
    for evil in (
        "`a``b```c" * 1800,
        "<" * 16_000,
        "*“" * 8000,
        "[a](" * 4000,
        "\\(" * 8000,
        "|" * 16_000,
        "$a " * 5000,
    ):
        render(evil)
    assert time.process_time() - started < 20


PIECES = {
    "word ": "word",
    "**bold** ": "bold",
    "_it_ ": "it",
    "`code` ": "code",
    "\n\n# Head\n\n": "Head",
    "\n- item\n": "item",
    "\n1. first\n": "first",
    "\n\n> quote\n\n": "quote",
    "\n\n```py\nx = 1\n```\n\n": "x1",
    "<tag> ": "tag",
    "\n<div>\nblock\n</div>\n": "divblockdiv",
    "[label](https://x.org) ": "label",
    "中文**“粗”**中 ": "中文粗中",
    "😀 ": "",
    "~~gone~~ ": "gone",
    "\n\n| a | b |\n|---|---|\n| c | d |\n\n": "abcd",
    "a || b ": "ab",
    "\n\n[ref]: x\n\n": "refx",
}


@given(st.lists(st.sampled_from(list(PIECES)), max_size=25))
@settings(max_examples=300, deadline=None)
def test_no_word_is_lost(pieces: list[str]) -> None:
    rendered = render("".join(pieces))
    assert in_order("".join(PIECES[piece] for piece in pieces), rendered.text)
    check(rendered)


@given(st.text(alphabet="ab \n<>*_~#-.!中“”😀/=", max_size=80))
@settings(max_examples=500, deadline=None)
def test_no_letter_of_any_prose_is_lost(text: str) -> None:
    rendered = render(text)
    assert letters(rendered.text) == letters(text)
    check(rendered)


@given(st.text(alphabet=st.one_of(st.sampled_from("`*_[]()<>|$\\\n~#!- ab1:"), st.characters()), max_size=80))
@settings(max_examples=500, deadline=None)
def test_any_text_at_all_is_rendered(text: str) -> None:
    check(render(text))


def check(rendered: Rendered) -> None:
    """Every entity begins and ends between the characters of the text."""
    borders, position = {0}, 0
    for character in rendered.text:
        position += units(character)
        borders.add(position)
    for entity in rendered.entities:
        assert entity.length > 0
        assert {entity.offset, entity.offset + entity.length} <= borders
    assert rendered.text == rendered.text.rstrip()
