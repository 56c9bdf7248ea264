"""Slack's settings: when it is on, how it receives, and how a mistake is told."""

from __future__ import annotations

import pytest

from adapters.slack.settings import Credentials, SlackSettings, credentials
from bot.api import Host
from bot.errors import SettingsError
from tests.adapters.memory_store import MemoryStore

TOKEN = {"SLACK_BOT_TOKEN": "xoxb-1-abc"}
APP = {"SLACK_APP_TOKEN": "xapp-1-abc"}
SIGNING = {"SLACK_SIGNING_SECRET": "0123456789abcdef0123456789abcdef"}
OAUTH = {"SLACK_CLIENT_ID": "1.2", "SLACK_CLIENT_SECRET": "hidden-secret"}


def read(environment: dict[str, str], public_url: str = "") -> Credentials | None:
    host = Host(MemoryStore(), "127.0.0.1", 0, public_url, alone=False)
    return credentials(SlackSettings.load(environment), host)


def fault(environment: dict[str, str]) -> str:
    with pytest.raises((ValueError, SettingsError)) as raised:
        read(environment)
    return str(raised.value)


def test_without_credentials_slack_is_off() -> None:
    assert read({}) is None
    assert read({"SLACK_API_BASE_URL": "http://localhost:1/api/", "SLACK_BOTS": "B012"}) is None


def test_the_two_tokens_make_it_receive_by_a_socket() -> None:
    found = read(TOKEN | APP)
    assert found is not None
    assert (found.socket, found.http, found.oauth) == (True, False, False)
    assert found.base_url == "https://slack.com/api/"
    assert found.bots == frozenset()


def test_the_token_and_the_signing_secret_make_it_receive_by_http() -> None:
    found = read(TOKEN | SIGNING)
    assert found is not None
    assert (found.socket, found.http) == (False, True)


def test_the_clients_id_and_secrets_let_many_workspaces_install_it() -> None:
    found = read(OAUTH | SIGNING, "https://bot.example/")
    assert found is not None
    assert (found.token, found.http, found.oauth) == ("", True, True)
    assert found.public_url == "https://bot.example"


def test_many_workspaces_may_be_served_by_a_socket() -> None:
    found = read(OAUTH | APP)
    assert found is not None
    assert (found.socket, found.http, found.oauth) == (True, False, True)


@pytest.mark.parametrize(
    ("environment", "variable"),
    [
        (TOKEN, "SLACK_APP_TOKEN"),
        (APP, "SLACK_BOT_TOKEN"),
        (SIGNING, "SLACK_BOT_TOKEN"),
        ({"SLACK_CLIENT_ID": "1.2"} | SIGNING, "SLACK_CLIENT_SECRET"),
        ({"SLACK_CLIENT_SECRET": "x"} | SIGNING, "SLACK_CLIENT_ID"),
        (OAUTH, "SLACK_SIGNING_SECRET"),
        (APP | {"SLACK_BOT_TOKEN": "xoxp-1-abc"}, "SLACK_BOT_TOKEN"),
        (APP | {"SLACK_BOT_TOKEN": "xoxb-1 abc"}, "SLACK_BOT_TOKEN"),
        (TOKEN | {"SLACK_APP_TOKEN": "xoxb-1-abc"}, "SLACK_APP_TOKEN"),
        (TOKEN | APP | {"SLACK_API_BASE_URL": "slack.com"}, "SLACK_API_BASE_URL"),
        (TOKEN | APP | {"SLACK_API_BASE_URL": "https://x:y/api"}, "SLACK_API_BASE_URL"),
        (TOKEN | APP | {"SLACK_API_BASE_URL": "https://x/api?a=b"}, "SLACK_API_BASE_URL"),
        (TOKEN | APP | {"SLACK_BOTS": "B012ABC, deploybot"}, "SLACK_BOTS"),
    ],
)
def test_a_mistake_names_its_variable_first(environment: dict[str, str], variable: str) -> None:
    assert fault(environment).startswith(f"{variable}: ")


def test_a_mistake_tells_no_secret() -> None:
    said = fault(APP | {"SLACK_BOT_TOKEN": "xoxp-very-secret"})
    assert "very-secret" not in said


def test_nothing_that_is_printed_holds_a_secret() -> None:
    found = read(TOKEN | APP | SIGNING | OAUTH)
    assert not any(secret in repr(found) for secret in ("xoxb-1", "xapp-1", "0123456789abcdef", "hidden"))


def test_a_gateway_and_other_bots_may_be_named() -> None:
    gateway = {"SLACK_API_BASE_URL": "http://gateway:8080/slack/api", "SLACK_BOTS": "B012ABC, U034DEF"}
    found = read(TOKEN | APP | gateway)
    assert found is not None
    assert found.base_url == "http://gateway:8080/slack/api/"
    assert found.bots == {"B012ABC", "U034DEF"}
