"""The adapters' own words come in the language in which the core speaks to the same person."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from adapters._language import column
from bot.i18n import LANGUAGES
from tests.bot.doubles import catalogue

PRIMARY = st.sampled_from(["zh", "ZH", "cmn", "yue", "en", "de", ""])
SUBTAGS = st.lists(st.sampled_from(["Hans", "hant", "TW", "hk", "MO", "cn", "SG", "x", ""]), max_size=3)


@given(primary=PRIMARY, subtags=SUBTAGS, mark=st.sampled_from("-_"))
def test_an_adapter_and_the_core_speak_the_same_language_to_a_person(
    primary: str, subtags: list[str], mark: str
):
    tag = mark.join((primary, *subtags))
    assert LANGUAGES[column(tag)] == catalogue().match(tag)
