"""Markdown as plain text: nothing of the words is lost, no markup is left, and no part is too long."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters._plain import pack, plain


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("# Soup\n\n**Boil** *water*, `salt` it.", "Soup\n\nBoil water, salt it."),
        ("- one\n- two\n  - a\n  - b\n- three", "• one\n• two\n  ◦ a\n  ◦ b\n• three"),
        ("3. three\n4. four", "3. three\n4. four"),
        ("intro\n- one\n\n- two", "intro\n\n• one\n• two"),
        ("1. first\n\n   ```py\n   x = 1\n   ```\n2. second", "1. first\n\n   x = 1\n2. second"),
        ("```python\ndef f():\n    return 1\n```", "def f():\n    return 1"),
        ("[the page](https://a.example/b)", "the page (https://a.example/b)"),
        (
            "<https://a.example/b> and [https://c.example](https://c.example)",
            "https://a.example/b and https://c.example",
        ),
        ("![a cat](https://a.example/cat.png)", "a cat (https://a.example/cat.png)"),
        ("> said\n> so", "> said\n> so"),
        ("| a | b |\n|---|---|\n| 1 | **2** |", "a | b\n1 | 2"),
        ("above\n\n---\n\nbelow", "above\n\n————————\n\nbelow"),
        ("List<int> & <b>x</b>, 2 < 3, a_b_c", "List<int> & <b>x</b>, 2 < 3, a_b_c"),
        (r"\(a_b*c*d\)", r"\(a_b*c*d\)"),
        ("", ""),
    ],
)
def test_markup_becomes_plain_text(markdown: str, shown: str) -> None:
    assert plain(markdown) == shown


def test_a_table_that_is_too_wide_for_a_phone_becomes_lines_for_each_row() -> None:
    markdown = dedent("""
        | 名称 | A description that takes much room | Where it grows |
        |---|---|---|
        | 苹果 | It is a fruit, red or green, sweet or sour | on trees |
        | leek | | in beds |
    """)
    assert (
        plain(markdown)
        == dedent("""
        名称: 苹果
        A description that takes much room: It is a fruit, red or green, sweet or sour
        Where it grows: on trees

        名称: leek
        Where it grows: in beds
    """).strip()
    )


@given(
    st.lists(
        st.sampled_from(
            ["- ", "1. ", "> ", "# ", "**", "`", "```\n", "|", "\n", "\n\n", "  ", "word", "字", "[", "](x)"]
        )
    )
)
def test_whatever_a_model_writes_keeps_its_words(pieces: list[str]) -> None:
    markdown = "".join(pieces)
    expected, shown = (
        re.findall("word|字", text) for text in (markdown.replace("](x)", "] "), plain(markdown))
    )
    # Behind a fence, words are its language and not shown.
    assert len(shown) <= len(expected)
    if "```" not in markdown and "|" not in markdown:
        assert shown == expected


@given(st.text(st.sampled_from("ab。 \n你👍🏽é"), max_size=600), st.integers(40, 200))
def test_no_part_is_too_long_and_nothing_is_lost(text: str, limit: int) -> None:
    parts = pack(text, limit)
    assert all(len(part.encode()) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


def test_several_parts_are_numbered_and_a_single_one_is_not() -> None:
    assert pack("short", 100, mark="({n}/{of})") == ["short"]
    parts = pack("这是一句话。" * 30, 200, mark="({n}/{of})")
    assert [part.splitlines()[-1] for part in parts] == [
        f"({n}/{len(parts)})" for n in range(1, len(parts) + 1)
    ]
    assert all(part.splitlines()[0].endswith("。") and len(part.encode()) <= 200 for part in parts)
