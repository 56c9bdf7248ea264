"""The catalogues agree with each other, with the errors and with the code that asks for sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

import bot
from bot.errors import Indigestible, ParleyError, Refused
from bot.i18n import LANGUAGES, Catalogue, Sentence, labelled, listing

REF = "7f3a"
# Refusals that only the person can mend; everything else has a reference for whoever runs the bot.
BY_THE_PERSON = {
    "error.message_too_long",
    "error.nothing_to_answer",
    "error.context_too_long",
    "error.filtered",
    *(cls.user_key for cls in (Indigestible, *Indigestible.__subclasses__())),
}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load()


def tree(cls: type[ParleyError]) -> Iterator[type[ParleyError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from tree(child)


# --- the catalogues -----------------------------------------------------------------------------------------


def test_every_language_has_the_same_sentences(catalogue: Catalogue) -> None:
    assert catalogue.languages == LANGUAGES == ("en", "zh-Hans", "zh-Hant")
    for language in LANGUAGES:
        assert catalogue.sentences[language].keys() == catalogue.sentences["en"].keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_has_the_same_placeholders_in_every_language(
    catalogue: Catalogue, language: str
) -> None:
    for key, sentence in catalogue.sentences[language].items():
        assert sentence.placeholders == catalogue.sentences["en"][key].placeholders, key


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_error_has_a_sentence(catalogue: Catalogue, language: str) -> None:
    keys = {cls.user_key for cls in tree(ParleyError)}
    assert len(keys) > 10
    assert keys <= catalogue.sentences[language].keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_the_person_cannot_mend_has_a_reference_at_its_end(catalogue: Catalogue, language: str) -> None:
    for key in catalogue.sentences[language]:
        said = catalogue.say(language, key, ref=REF)
        with_reference = (key.startswith("error.") and key not in BY_THE_PERSON) or key == "gave_up"
        assert (REF in said) == with_reference, key
        if with_reference:
            assert said.rstrip("）)").endswith(REF), key


def test_the_errors_that_the_person_can_mend_are_refusals() -> None:
    assert {cls.user_key for cls in tree(Refused)} >= BY_THE_PERSON


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_is_empty_or_untidy(catalogue: Catalogue, language: str) -> None:
    for key, sentence in catalogue.sentences[language].items():
        for text in filter(None, (sentence.other, sentence.one)):
            assert text == text.strip(), key
            assert "  " not in text, key
        if language != "en":
            assert re.search(r"[\u4e00-\u9fff]", sentence.other), key
            assert not re.search(r"[\u4e00-\u9fff][,;:!?]", sentence.other), key  # the marks are full-width


def test_the_two_chinese_catalogues_keep_to_their_characters(catalogue: Catalogue) -> None:
    simplified = "".join(s.other for s in catalogue.sentences["zh-Hans"].values())
    traditional = "".join(s.other for s in catalogue.sentences["zh-Hant"].values())
    assert not set(simplified) & set("請發話這個來說過還員務伺們為續題對讓開機")
    assert not set(traditional) & set("请发话这个来说过还员务们为续题对让开机")


def test_every_sentence_that_the_core_asks_for_exists(catalogue: Catalogue) -> None:
    asked = re.compile(r'\b(?:say|notice)\(\s*(?:[\w.]+,\s*)?"([a-z_]+(?:\.[a-z_]+)*)"')
    # The demo endpoint has words of its own: it plays a model.
    found = [file for folder in bot.__path__ for file in Path(folder).rglob("*.py")]
    files = [file for file in found if "demo" not in file.parts]
    keys = {key for file in files for key in asked.findall(file.read_text(encoding="utf-8"))}
    assert "offer.retry" in keys
    assert keys - catalogue.sentences["en"].keys() == set()


@pytest.mark.parametrize(
    ("language", "row", "line"),
    [
        ("en", "red, blue", "Voice: nova"),
        ("zh-Hans", "red、blue", "Voice：nova"),
        ("zh-Hant", "red、blue", "Voice：nova"),
    ],
)
def test_rows_and_labels_have_the_marks_of_their_language(language: str, row: str, line: str) -> None:
    assert listing(language, ["red", "blue"]) == row
    assert labelled(language, "Voice", "nova") == line


# --- saying -------------------------------------------------------------------------------------------------


def test_values_take_their_places(catalogue: Catalogue) -> None:
    assert catalogue.say("en", "model.default", model="gpt") == "Default (gpt)"
    assert catalogue.say("zh-Hans", "error.message_too_long", limit=32000, ref=REF).count("32,000") == 1


def test_a_value_is_never_read_as_a_placeholder(catalogue: Catalogue) -> None:
    assert catalogue.say("en", "model.default", model="{ref} {0} \\1", ref=REF) == "Default ({ref} {0} \\1)"


def test_a_missing_value_is_left_as_it_stands_and_logged(catalogue: Catalogue) -> None:
    with capture_logs() as lines:
        assert catalogue.say("en", "model.default") == "Default ({model})"
    assert [(line["key"], line["placeholder"]) for line in lines] == [("model.default", "model")]


def test_an_unknown_key_is_said_itself_and_logged(catalogue: Catalogue) -> None:
    with capture_logs() as lines:
        assert catalogue.say("en", "no.such") == "no.such"
    assert [line["key"] for line in lines] == ["no.such"]


def test_one_and_many_differ_where_the_language_does(catalogue: Catalogue) -> None:
    key = "error.endpoint_busy_for"
    assert "in a second." in catalogue.say("en", key, seconds=1, ref=REF)
    assert "in 12 seconds." in catalogue.say("en", key, seconds=12, ref=REF)
    assert "1 秒" in catalogue.say("zh-Hant", key, seconds=1, ref=REF)
    assert catalogue.say("en", "gave_up", attempts=1, ref=REF).startswith("I tried once ")


def test_the_number_is_called_count_unless_the_entry_says_otherwise() -> None:
    catalogue = Catalogue({"en": {"apples": Sentence("{count} apples", one="an apple")}})
    assert [catalogue.say("en", "apples", count=n) for n in (0, 1, 2)] == ["0 apples", "an apple", "2 apples"]


def test_the_thousands_of_a_number_stand_apart(catalogue: Catalogue) -> None:
    assert "16,000 characters" in catalogue.say("en", "system.long", limit=16_000)
    assert "16,000 " in catalogue.say("zh-Hans", "system.long", limit=16_000)


def test_an_unknown_language_is_answered_in_the_nearest(catalogue: Catalogue) -> None:
    assert catalogue.say("zh-TW", "stop.nothing") == catalogue.say("zh-Hant", "stop.nothing")
    assert catalogue.say("de", "stop.nothing") == catalogue.say("en", "stop.nothing")


@pytest.mark.parametrize(
    ("tags", "language"),
    [
        ("zh zh-CN zh_CN zh-SG zh-MY zh-Hans zh-Hans-HK zh-hans-tw cmn cmn-Hans ZH-cn yue-Hans", "zh-Hans"),
        ("zh-TW zh_tw zh-HK zh-MO zh-Hant zh-Hant-HK zh-Hant-CN ZH-HANT cmn-Hant yue yue-HK", "zh-Hant"),
        ("en en-GB en_US de ja pt-BR zha zh1 auto * - _ tw hans", "en"),
    ],
)
def test_a_tag_is_matched_to_the_nearest_language(catalogue: Catalogue, tags: str, language: str) -> None:
    assert {tag: catalogue.match(tag) for tag in tags.split()} == dict.fromkeys(tags.split(), language)


@settings(deadline=None)
@given(st.text())
def test_whatever_an_app_calls_a_language_one_of_ours_is_found(tag: str) -> None:
    assert Catalogue({}).match(tag) in LANGUAGES
