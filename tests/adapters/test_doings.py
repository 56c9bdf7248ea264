"""What the bot may be doing has a word in every language, wherever it is shown in words."""

from pathlib import Path
from typing import get_args, get_type_hints

import pytest

import adapters.web
from adapters.console.words import say
from adapters.slack.words import WORDS
from bot.api import Status

DOINGS = get_args(get_type_hints(Status)["doing"])
PAGE = Path(adapters.web.__file__).parent / "static"


@pytest.mark.parametrize("doing", DOINGS)
def test_it_has_a_word_in_slack_the_terminal_and_on_the_page(doing: str):
    assert all(WORDS[f"status.{doing}"])
    assert len({say(language, doing) for language in ("en", "zh-Hans")}) == 2
    assert (PAGE / "words.js").read_text().count(f'\n    {doing}: "') == 3
    assert f'"{doing}"' in (PAGE / "exchange.js").read_text()
