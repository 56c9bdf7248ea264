"""What servers list is read in every vendor's form; what is known by name stands in one file of data."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr
from starlette.responses import JSONResponse

from bot.endpoints.client import Client
from bot.endpoints.models import Catalogue, Listings, Model, list_models
from bot.endpoints.settings import Server
from bot.errors import KeyRejected, WrongAddress
from tests.simulators.endpoint import EndpointSimulator, serve


async def listed(client: Client, document: Any) -> list[Model]:
    async with serve(JSONResponse(document)) as port:
        return await list_models(client, Server(f"http://127.0.0.1:{port}/v1"))


@pytest.mark.parametrize(
    ("entry", "model"),
    [
        ({"id": "a"}, Model("a")),
        ({"id": "a", "shutdown_date": "2027-01-14"}, Model("a", 0, "2027-01-14")),
        ({"id": "a", "shutdown_date": None}, Model("a")),
        ({"id": "a", "max_model_len": 4096}, Model("a", 4096)),
        ({"id": "a/b", "context_length": 8000, "top_provider": {"context_length": 7}}, Model("a/b", 8000)),
        ({"id": "a", "context_length": None, "top_provider": {"context_length": 7000}}, Model("a", 7000)),
        ({"id": "a", "meta": {"n_ctx_train": 9000, "n_ctx": 2048}}, Model("a", 2048)),
        ({"id": "a", "meta": None, "max_context_length": 3000}, Model("a", 3000)),
        ({"id": "a", "context_window": "big"}, Model("a")),
        ({"id": "a", "context_window": True}, Model("a")),
        ({"id": "models/gemini-x"}, Model("gemini-x")),
        ({"name": "a"}, Model("a")),
    ],
)
async def test_a_listed_model_is_read(client: Client, entry: dict[str, Any], model: Model) -> None:
    assert await listed(client, {"object": "list", "data": [entry]}) == [model]


async def test_what_is_no_model_is_left_out(client: Client) -> None:
    assert await listed(client, {"data": [None, 7, {}, {"id": ""}, {"id": 5}, {"id": "a"}, {"id": "a"}]}) == [
        Model("a")
    ]


async def test_a_bare_list_is_a_list_as_well(client: Client) -> None:
    assert await listed(client, [{"id": "a"}]) == [Model("a")]


@pytest.mark.parametrize("document", [{}, {"data": None}, {"data": {"id": "a"}}, "x", None])
async def test_what_is_no_list_is_a_wrong_address(client: Client, document: Any) -> None:
    with pytest.raises(WrongAddress):
        await listed(client, document)


async def test_a_list_is_asked_for_every_ten_minutes(
    client: Client, endpoint: EndpointSimulator, server: Server
) -> None:
    now = [0.0]
    listings = Listings(client, lambda: now[0])
    for now[0] in (0, 1, 599, 601, 602):
        assert [model.id for model in await listings.get(server)] == endpoint.models

    assert endpoint.listings == 2


async def test_a_server_that_lists_nothing_is_left_alone_for_a_minute(
    client: Client, endpoint: EndpointSimulator
) -> None:
    now = [0.0]
    listings = Listings(client, lambda: now[0])
    stranger = Server(endpoint.base_url, SecretStr("wrong"))
    for now[0] in (0, 1, 59, 61):
        assert await listings.get_any(stranger) == ()

    assert endpoint.listings == 2
    with pytest.raises(KeyRejected):
        await listings.get(stranger)


async def test_a_list_outlives_its_server(
    client: Client, endpoint: EndpointSimulator, server: Server
) -> None:
    now = [0.0]
    listings = Listings(client, lambda: now[0])
    first = await listings.get_any(server)
    now[0], endpoint.listed = 1000, False

    assert await listings.get_any(server) == first
    with pytest.raises(WrongAddress):
        await listings.get(server)


# --- the catalogue


@pytest.mark.parametrize(
    ("model", "window"),
    [
        ("gpt-6-luna", 1_050_000),
        ("gpt-6-luna-2026-10-01", 1_050_000),
        ("gpt-5.4-mini", 400_000),
        ("gpt-5.4", 1_050_000),
        ("gpt-5-mini", 400_000),
        ("openai/gpt-oss-120b", 131_072),
        ("Qwen/Qwen3.8-Max", 991_000),
        ("deepseek-v4-flash", 1_000_000),
        ("claude-opus-5-5", 1_000_000),
        ("my-own-model", 0),
        ("", 0),
    ],
)
def test_a_window_is_known_by_the_models_name(model: str, window: int) -> None:
    assert Catalogue().window(model) == window


def test_servers_are_known_by_their_hosts() -> None:
    catalogue = Catalogue()

    assert catalogue.chat_model("api.openai.com") == "gpt-6-luna"
    assert catalogue.limit_field("api.openai.com") == "max_completion_tokens"
    assert catalogue.limit_field("mine.openai.azure.com") == "max_completion_tokens"
    assert catalogue.chat_model("mine.openai.azure.com") == "", "a deployment has the name its owner gave it"
    assert catalogue.chat_model("evil-api.openai.com.example") == ""
    assert catalogue.limit_field("localhost") == "max_tokens"


def test_models_that_do_not_chat_are_known_by_name() -> None:
    catalogue = Catalogue()
    others = [
        "text-embedding-3-small",
        "whisper-1",
        "gpt-4o-mini-tts",
        "gpt-image-2",
        "omni-moderation-latest",
    ]

    assert [name for name in others if catalogue.chats(name)] == []
    assert catalogue.chats("gpt-6-luna")
    assert catalogue.chats("llama3.2:latest")


def test_every_default_of_the_catalogue_has_a_window() -> None:
    catalogue = Catalogue()
    hosts = ["api.openai.com", "api.deepseek.com", "api.moonshot.ai", "api.z.ai", "dashscope.aliyuncs.com"]
    hosts += ["generativelanguage.googleapis.com", "api.anthropic.com", "api.x.ai", "api.mistral.ai"]

    assert [host for host in hosts if not catalogue.window(catalogue.chat_model(host))] == []
