"""What the model writes is shown safely, and shown the same whether at once or piece by piece."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._markdown import Blocks, html


def test_the_usual_markdown_becomes_html():
    text = "# Title\n\nSome **bold**, *soft*, ~~gone~~ and `code`.\n\n- one\n- two\n"
    assert html(text) == (
        "<h1>Title</h1>\n"
        "<p>Some <strong>bold</strong>, <em>soft</em>, <s>gone</s> and <code>code</code>.</p>\n"
        "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n"
    )


def test_a_table_keeps_its_alignment_without_inline_style():
    shown = html("| a | b |\n|:--|--:|\n| 1 | 2 |\n")
    assert '<th class="align-left">a</th>' in shown
    assert '<td class="align-right">2</td>' in shown
    assert "style" not in shown


def test_a_numbered_list_keeps_its_first_number():
    assert '<ol start="3">' in html("3. three\n4. four\n")


def test_code_names_its_language_for_the_copy_button():
    assert html("```python title=x\na < b\n```\n") == (
        '<div class="code" data-language="python"><pre><code class="language-python">a &lt; b\n'
        "</code></pre></div>\n"
    )


def test_code_without_a_language_has_no_class():
    assert html("    plain\n") == '<div class="code" data-language=""><pre><code>plain\n</code></pre></div>\n'


def test_a_language_cannot_break_out_of_its_attribute():
    assert 'data-language="py"' in html('```py"onload="x\ncode\n```\n')


def test_raw_html_shows_as_text():
    assert html("<script>alert(1)</script>\n\nand <b>inline</b>") == (
        "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n<p>and &lt;b&gt;inline&lt;/b&gt;</p>\n"
    )


def test_a_link_opens_elsewhere_and_tells_nothing():
    link = '<a href="https://e.org/?x=1&amp;y=2" rel="noopener noreferrer nofollow" target="_blank">a</a>'
    assert html('[a](https://e.org/?x=1&y=2 "title")') == f"<p>{link}</p>\n"


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java&#10;script:alert(1)",
        "data:text/html,x",
        "data:image/png;base64,AAAA",
        "vbscript:x",
        "file:///etc/passwd",
        "/relative",
        "//host/path",
    ],
)
def test_a_link_to_anything_but_the_web_and_mail_stays_text(address: str):
    shown = html(f"[a]({address}) ![b]({address}) <{address}>")
    assert "<a" not in shown
    assert "<img" not in shown


def test_an_image_is_a_link_and_never_loaded():
    shown = html("![a *red* cat](https://e.org/cat.png)")
    assert "<img" not in shown
    assert '<a href="https://e.org/cat.png"' in shown
    assert ">a red cat</a>" in shown


def test_an_image_within_a_link_leaves_one_link():
    assert html("[![badge](https://e.org/b.svg)](https://e.org)").count("<a ") == 1


def test_an_image_without_words_shows_its_address():
    assert ">https://e.org/cat.png</a>" in html("![](https://e.org/cat.png)")


def test_characters_that_turn_the_reading_direction_are_dropped():
    assert html("a\u202eb\u2066c\u200fd") == "<p>abc\u200fd</p>\n"


@pytest.mark.parametrize("formula", [r"\(a_b + c^*_d * e\)", r"\[ \sum_{i}^{*} x_i * y \]", "$$a_1*b*c$$"])
def test_a_formula_is_left_as_it_was_written(formula: str):
    assert html(f"Take {formula} now") == f"<p>Take {formula} now</p>\n"


def test_a_reference_definition_is_text_so_that_nothing_shown_changes_later():
    assert "<a" not in html("[x]\n\n[x]: https://e.org\n")


# --- piece by piece ---------------------------------------------------------------------------------------


def written(text: str, sizes: list[int]) -> tuple[str, Blocks]:
    """What a page shows after `text` has come in pieces of these sizes, over and over."""
    blocks, shown, at = Blocks(), list[str](), 0
    while at < len(text):
        size = sizes[len(shown) % len(sizes)]
        start, new = blocks.feed(text[at : at + size])
        assert 0 <= start <= len(shown)
        if new:
            shown[start:] = new
        at += size
    start, new = blocks.flush()
    if new:
        shown[start:] = new
    return "".join(shown), blocks


PIECES = st.sampled_from(
    [
        "A paragraph with **bold** and [a link](https://e.org).\n\n",
        "Two lines\nin one paragraph\n",
        "# A heading\n",
        "Set as heading\n---\n\n",
        "- one\n- two\n  - nested\n\n",
        "- loose\n\n- list\n\n",
        "1. first\n2. second\n",
        "12. twelfth\n",
        "```py\nx = 1\n\n# not a heading\n```\n",
        "~~~\nunclosed\n",
        "    indented code\n\n",
        "> quoted\nlazy\n\n",
        "| a | b |\n|---|---|\n| 1 | 2 |\n\n",
        "***\n",
        "* * *x\n",
        "\n",
        "<div>\n\n",
        "- ```\n  code in a list\n  ```\n\n",
        "  continued\n\n",
        "你好，**世界**。\r\n\r\n",
        "#no heading\n",
        "\\[ x_1 \\]\n\n",
        "word",
        "-",
        "=",
        "| x |\n",
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_piece_by_piece_shows_what_the_whole_shows(text: str, sizes: list[int]):
    assert written(text, sizes)[0] == html(text)


@given(st.text(alphabet="ab -*#>`|\n1.=_~[]()\\$\r", max_size=60), st.integers(1, 5))
def test_piece_by_piece_shows_what_the_whole_shows_of_any_scribble(text: str, size: int):
    assert written(text, [size])[0] == html(text)


class Structure(HTMLParser):
    """Collects the tags and the names of the attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@given(st.text(alphabet="<>\"'&=/ab![]()`~*\n:\\|-", max_size=80))
def test_no_scribble_makes_an_element_or_attribute_that_we_do_not_write(text: str):
    structure = Structure()
    structure.feed(html("```" + text + "\n```\n![a](https://e.org/" + text + ")\n\n" + text))
    allowed = {
        "p",
        "a",
        "br",
        "em",
        "strong",
        "s",
        "code",
        "pre",
        "div",
        "ul",
        "ol",
        "li",
        "blockquote",
        "hr",
    }
    allowed |= {f"h{n}" for n in range(1, 7)} | {"table", "thead", "tbody", "tr", "th", "td"}
    assert structure.tags <= allowed
    assert structure.attributes <= {"href", "rel", "target", "class", "data-language", "start"}


def test_an_ordinary_long_answer_costs_work_in_proportion_to_its_length():
    chapter = "## Title\n\n" + "Words **and** words. " * 20 + "\n\n- a\n- b\n\n```py\nx = 1\n```\n\n"
    text = chapter * 200
    shown, blocks = written(text, [12])
    assert shown == html(text)
    assert blocks.parsed < 30 * len(text)


@pytest.mark.parametrize("line", ["x = 1  # code\n", "words and words "])
def test_one_giant_block_costs_work_within_a_bound(line: str):
    text = "```py\n" + line * (100_000 // len(line))
    shown, blocks = written(text, [12])
    assert shown == html(text)
    assert blocks.parsed < 100 * len(text)


@pytest.mark.parametrize(
    "table",
    [
        "|" + "a|" * 200 + "\n|" + "-|" * 200 + "\n" + "|z\n" * 1000,  # short rows are filled up
        "|a|b|\n|-|-|\n" + "|x|z|\n" * 10_000,
        ("|" + "a|" * 100 + "\n|" + "-|" * 100 + "\n" + "|z\n" * 50 + "\n") * 20,
    ],
    ids=["sparse", "long", "many"],
)
def test_a_giant_table_ends_in_text_and_nothing_of_it_is_lost(table: str):
    shown = html(f"{table}\n\nThe end.")
    assert 5_000 <= shown.count("<td>") + shown.count("<th>") <= 10_000
    assert shown.count("z") == table.count("z")
    assert shown.endswith("<p>The end.</p>\n")
    assert html("|a|b|\n|-|-|\n" + "|x|z|\n" * 1000).count("<td") == 2000


def test_beyond_thousands_of_brackets_there_are_no_links_and_nothing_is_lost():
    link, most = "[a](https://e.org) ", 4_000
    shown = html(link * most + f"\n\n{link}**b**\n\n```\n{'[' * most}\n```\n\n![c](https://e.org)")
    assert shown.count("<a ") == most
    assert "<p>[a](https://e.org) <strong>b</strong></p>" in shown
    assert shown.endswith("<p>![c](https://e.org)</p>\n")
    assert html("[[a]" * 20_000) == f"<p>{'[[a]' * 20_000}</p>\n"
    assert html(f"```\n{'[' * 80_000}\n```\n\n{link}").count("<a ") == 1


def test_a_piece_that_waits_replaces_nothing():
    blocks = Blocks()
    start, first = blocks.feed("```\n" + "x" * 50_000)
    assert (start, len(first)) == (0, 1)
    assert blocks.feed("y") == (1, [])
    start, last = blocks.flush()
    assert start == 0
    assert last[0].count("y") == 1
