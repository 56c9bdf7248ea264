"""Prices: every model has one, in whole micro-units, and the operator's come before the shipped."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.api import Usage
from bot.endpoints.models import Catalogue
from bot.errors import SettingsError
from bot.prices import MICRO, Price, Prices, local, money


@pytest.fixture
def shipped() -> Prices:
    return Prices.load(None)


def own(folder: Path, text: str) -> Path:
    file = folder / "prices.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_price_is_found_by_the_models_name_whatever_the_gateway_puts_before_it(shipped: Prices):
    assert shipped.of("gpt-6-luna") == Price(100_000, 10_000, 500_000)
    assert shipped.of("openai/GPT-6-Luna-2026-08-01") == shipped.of("gpt-6-luna")
    assert shipped.of("gpt-6.1-sol") == shipped.of("gpt-6-sol") != shipped.of("gpt-6-astra")
    assert shipped.of("meta/llama-9:free").free
    assert shipped.currency == "USD"


def test_every_model_that_is_taken_by_default_has_a_price_of_its_own(shipped: Prices):
    catalogue, unknown = Catalogue(), shipped.of("nobody-knows-this-one")
    hosts = ["api.openai.com", "api.deepseek.com", "api.moonshot.ai", "api.z.ai", "dashscope.aliyuncs.com"]
    hosts += ["generativelanguage.googleapis.com", "api.anthropic.com", "api.x.ai", "api.mistral.ai"]
    models = [catalogue.chat_model(host) for host in hosts]
    assert all(models)
    assert [model for model in models if shipped.of(model) == unknown] == []


def test_an_unknown_model_costs_what_the_table_says(shipped: Prices):
    assert shipped.of("nobody-knows-this-one") == shipped.of("claude-fable-5-1")
    assert not shipped.of("nobody-knows-this-one").free


def test_a_cost_is_rounded_up_to_whole_micro_units(shipped: Prices):
    assert shipped.cost("gpt-6-luna", Usage(1, 0)) == 1  # 0.1
    assert shipped.cost("gpt-6-luna", Usage(1_000_000, 1_000_000)) == 600_000
    assert shipped.of("gpt-6-luna").cost(Usage(1_000_000, 0), cached=1_000_000) == 10_000
    assert shipped.cost("gpt-6-luna", Usage(0, 0)) == 0


@given(st.integers(0, 200_000_000), st.integers(1, 200_000_000), st.integers(0, 10**6), st.integers(0, 10**9))
def test_the_answer_that_money_buys_never_costs_more_than_that_money(prompt, completion, tokens, amount):
    price = Price(prompt, prompt, completion)
    fixed = price.cost(Usage(tokens, 0))
    bought = price.tokens_for(amount)
    assert price.cost(Usage(tokens, bought)) <= fixed + amount
    assert price.cost(Usage(0, bought + 1)) > amount


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("::1", True),
        ("10.2.3.4", True),
        ("192.168.1.9", True),
        ("ollama", True),
        ("nas.local", True),
        ("host.docker.internal", True),
        ("api.openai.com", False),
        ("8.8.8.8", False),
        ("local.example.org", False),
    ],
)
def test_a_local_server_is_known_by_its_name_or_address(host: str, is_local: bool):
    assert local(host) == is_local


def test_a_local_server_costs_nothing_unless_the_operator_prices_its_model(tmp_path: Path, shipped: Prices):
    assert shipped.of("gpt-oss", "127.0.0.1").free
    assert shipped.of("gpt-4o", "localhost").free
    assert not shipped.of("gpt-4o", "api.openai.com").free
    mine = Prices.load(own(tmp_path, 'models = [{ name = "gpt-oss*", in = 1, out = 2 }]'))
    assert mine.of("gpt-oss", "127.0.0.1") == Price(MICRO, MICRO, 2 * MICRO)
    assert mine.of("gpt-4o", "localhost").free


def test_the_operators_prices_come_before_the_shipped_ones(tmp_path: Path, shipped: Prices):
    mine = Prices.load(
        own(tmp_path, 'models = [{ name = "gpt-6-*", in = 7, out = 9 }]\n[unknown]\nlike = "gpt-6-luna"')
    )
    assert mine.of("gpt-6-luna").completion == 9 * MICRO
    assert mine.of("nobody-knows-this-one") == mine.of("gpt-6-luna")
    assert mine.of("gpt-4o") == shipped.of("gpt-4o")


def test_prices_in_another_currency_leave_the_shipped_ones_out(tmp_path: Path):
    text = (
        'currency = "CNY"\nunknown = { in = 10, out = 30 }\nmodels = [{ name = "qwen*", in = 0.8, out = 2 }]'
    )
    mine = Prices.load(own(tmp_path, text))
    assert (mine.currency, mine.of("qwen-x").prompt) == ("CNY", 800_000)
    assert (
        mine.of("gpt-6-luna") == mine.of("nobody-knows-this-one") == Price(10 * MICRO, 10 * MICRO, 30 * MICRO)
    )


@pytest.mark.parametrize(
    "text",
    [
        "models = [",
        'models = [{ name = "m", in = -1 }]',
        'models = [{ name = "m", inn = 1 }]',
        "models = [{ in = 1, out = 1 }]",
        'models = [{ name = "m", in = "cheap" }]',
        'models = [{ name = "m", in = nan }]',
        'currency = "EUR"',
        'unknown = { like = "nobody-knows-this-one" }',
    ],
)
def test_a_price_list_that_cannot_be_used_is_told_and_changes_nothing(tmp_path: Path, text: str):
    file = own(tmp_path, 'models = [{ name = "m", in = 1, out = 1 }]')
    prices = Prices.load(file)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match="PRICES_FILE"):
        prices.reload()
    assert prices.of("m").prompt == MICRO
    file.unlink()
    with pytest.raises(SettingsError, match="cannot read"):
        Prices.load(file)


def test_a_changed_price_list_is_read_again(tmp_path: Path):
    file = own(tmp_path, 'models = [{ name = "m", in = 1, out = 1 }]')
    prices = Prices.load(file)
    own(tmp_path, 'models = [{ name = "m", in = 2.5, out = 1 }]')
    prices.reload()
    assert prices.of("m").prompt == 2_500_000


@pytest.mark.parametrize(
    ("micro", "shown"),
    [
        (0, "0.00 USD"),
        (1, "< 0.0001 USD"),
        (4_200, "0.0042 USD"),
        (500_000, "0.50 USD"),
        (12_345_678, "12.35 USD"),
    ],
)
def test_money_is_shown_with_as_many_digits_as_help(micro: int, shown: str):
    assert money(micro, "USD") == shown
