"""Token counts: ids that must never change, and what happens without a vocabulary."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from splintr import Tokenizer
from structlog.testing import capture_logs

from bot.tokens import DEFAULT, KEPT, LONGEST, Tokens, estimate, family

# The ids of OpenAI's own vocabularies, under which a special token's text is plain text.
IDS = {
    "cl100k_base": {
        "hello world": [15339, 1917],
        "你好，世界！": [57668, 53901, 3922, 3574, 244, 98220, 6447],
        "def f(x):\n    return x ** 2\n": [755, 282, 2120, 997, 262, 471, 865, 3146, 220, 17, 198],
        "<|endoftext|>": [27, 91, 8862, 728, 428, 91, 29],
        "   \n\n\t x": [35033, 197, 865],
    },
    "o200k_base": {
        "hello world": [24912, 2375],
        "你好，世界！": [177519, 979, 28428, 3393],
        "def f(x):\n    return x ** 2\n": [1314, 285, 4061, 1883, 271, 622, 1215, 6240, 220, 17, 198],
        "<|endoftext|>": [27, 91, 419, 1440, 919, 91, 29],
        "   \n\n\t x": [29104, 197, 1215],
    },
}


class Letters:
    """A vocabulary in which each character is a token; remembers what it was asked for."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def encode_ordinary(self, text: str) -> list[int]:
        self.read.append(text)
        return [ord(c) for c in text]


class Shelf:
    """Makes vocabularies and remembers which."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.vocabulary = Letters()

    def __call__(self, name: str) -> Letters:
        self.loaded.append(name)
        return self.vocabulary


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return Tokens()


@pytest.mark.parametrize("name", IDS)
def test_the_vocabularies_are_openais(name: str) -> None:
    vocabulary = Tokenizer.from_pretrained(name)
    assert {text: vocabulary.encode_ordinary(text) for text in IDS[name]} == IDS[name]


def test_a_text_is_counted_in_its_models_vocabulary(tokens: Tokens) -> None:
    assert tokens.count("你好，世界！", "gpt-4-turbo") == 7
    assert tokens.count("你好，世界！", "gpt-4o") == 4
    assert tokens.count("你好，世界！") == 4
    assert tokens.count("") == 0


@pytest.mark.parametrize(
    ("model", "vocabulary"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("gpt-5.2", "o200k_base"),
        ("openai/gpt-oss-120b", "o200k_base"),
        ("claude-opus-5-5", "o200k_base"),
        ("", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("deepseek-v4-pro", "deepseek_v3"),
        ("deepseek-r1-distill-qwen-7b", "qwen3"),
        ("deepseek-r1-distill-llama-70b", "llama3"),
        ("Qwen/Qwen3-8B", "qwen3"),
        ("qwq:32b", "qwen3"),
        ("glm-5.3", "glm4"),
        ("chatglm3-6b", "glm4"),
        ("kimi-k3", "kimi_k3"),
        ("kimi-k2.7-code", "kimi_k2"),
        ("moonshot-v1-8k", "kimi_k2"),
        ("meta-llama/Llama-3.3-70B", "llama3"),
        ("ollama/phi4", "o200k_base"),
        ("mistral-large-4", "mistral_v3"),
        ("codestral-latest", "mistral_v3"),
    ],
)
def test_a_models_name_points_to_its_vocabulary(model: str, vocabulary: str) -> None:
    assert family(model) == vocabulary


@pytest.mark.parametrize(
    "model", ["gpt-4", "deepseek-v4", "qwen3", "glm-5", "kimi-k2", "kimi-k3", "llama3", "mistral"]
)
def test_every_vocabulary_that_we_name_exists(model: str) -> None:
    with capture_logs() as lines:
        assert Tokens().count("hello world", model) == 2
    assert lines == []


def test_half_a_surrogate_pair_is_counted(tokens: Tokens) -> None:
    assert tokens.count("a\ud800b") >= 2


def test_beyond_the_longest_text_the_beginning_is_taken_for_the_whole() -> None:
    shelf = Shelf()
    assert Tokens(shelf).count("x" * (LONGEST * 3 + 1)) == LONGEST * 3 + 1
    assert [len(text) for text in shelf.vocabulary.read] == [LONGEST]


def test_a_vocabulary_is_loaded_when_it_is_needed_and_once() -> None:
    shelf = Shelf()
    tokens = Tokens(shelf)
    assert shelf.loaded == []
    for _ in range(3):
        tokens.count("x", "deepseek-v4")
    assert shelf.loaded == ["deepseek_v3"]


@pytest.mark.parametrize(
    ("models", "loaded"),
    [
        (["qwen3", "glm-5", "kimi-k3", "llama3"], ["qwen3", "glm4", DEFAULT]),
        (["gpt-5", "qwen3", "glm-5", "kimi-k3"], [DEFAULT, "qwen3", "glm4"]),
    ],
)
def test_few_vocabularies_are_loaded_and_none_is_thrown_out_again(
    models: list[str], loaded: list[str]
) -> None:
    shelf = Shelf()
    tokens = Tokens(shelf)
    for _ in range(2):
        for model in models:
            tokens.count("x", model)
    assert shelf.loaded == loaded
    assert len(shelf.loaded) == KEPT + 1


@pytest.mark.parametrize("fault", [ImportError("no wheel"), ValueError("no such vocabulary")])
def test_without_a_vocabulary_counts_are_estimates_and_the_log_says_so_once(fault: Exception) -> None:
    def none(name: str) -> Letters:
        raise fault

    tokens = Tokens(none)
    with capture_logs() as lines:
        assert [tokens.count("hello world"), tokens.count("你好")] == [4, 2]
    assert [line["event"] for line in lines] == ["tokens.estimated"]


@settings(deadline=None)
@given(st.text(st.characters(), max_size=200))
def test_an_estimate_is_a_third_of_the_bytes_rounded_up(text: str) -> None:
    size = len(text.encode("utf-8", "replace"))
    assert size <= 3 * estimate(text) < size + 3
