"""Addresses and keys are taken as people paste them, and faults are named by their variables."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from bot.endpoints.settings import Candidate, Capability, EndpointSettings, Server, base_url
from bot.errors import SettingsError


def candidates(**environment: str) -> tuple[Candidate, ...]:
    return EndpointSettings.load(environment).chat_candidates(environment)


@pytest.mark.parametrize(
    ("pasted", "meant"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
        (" https://API.openai.com/v1/chat/completions ", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/chat/completions/", "https://api.openai.com/v1"),
        ('"https://api.openai.com/v1/models"', "https://api.openai.com/v1"),
        ("https://api.openai.com/v1#here", "https://api.openai.com/v1"),
        ("http://localhost:11434/v1", "http://localhost:11434/v1"),
        ("https://api.openai.com/v1/images/generations", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/audio/speech/", "https://api.openai.com/v1"),
        ("http://[::1]:8080//v1//", "http://[::1]:8080//v1"),
        ("https://api.z.ai/api/paas/v4", "https://api.z.ai/api/paas/v4"),
        ("https://api.deepseek.com", "https://api.deepseek.com"),
        (
            "https://a.openai.azure.com/openai/deployments/D/chat/completions?api-version=1",
            "https://a.openai.azure.com/openai/deployments/D?api-version=1",
        ),
    ],
)
def test_an_address_is_taken_as_it_is_pasted(pasted: str, meant: str) -> None:
    assert base_url(pasted) == meant
    assert base_url(meant) == meant


@pytest.mark.parametrize(
    "pasted",
    [
        *("api.openai.com/v1", "localhost:8080", "ftp://x/v1", "https://", "https:///v1", "http://[::1/v1"),
        *(
            "https://x:99999/v1",
            "http://256.1.1.1/v1",
            "https://a b/v1",
            "https://a\nb/v1",
            "https://user:pw@x/v1",
        ),
    ],
)
def test_an_address_that_cannot_be_one_is_refused_by_its_variable(pasted: str) -> None:
    with pytest.raises(SettingsError, match=r"^CHAT_BASE_URL: ") as caught:
        EndpointSettings.load({"CHAT_BASE_URL": pasted})
    assert "pw" not in str(caught.value)


def test_an_endpoint_goes_before_the_query() -> None:
    server = Server("https://a.example/d?api-version=1")

    assert server.url("chat/completions") == "https://a.example/d/chat/completions?api-version=1"


def test_a_key_loses_what_came_along_when_it_was_copied() -> None:
    settings = EndpointSettings.load({"OPENAI_API_KEY": ' "sk-1" \n'})

    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "sk-1"


@pytest.mark.parametrize("key", ["sk one", "sk-é", "sk\n-1", "Bearer sk-1"])
def test_a_key_that_no_header_can_hold_is_refused_unseen(key: str) -> None:
    with pytest.raises(SettingsError, match="OPENAI_API_KEY: holds a blank") as caught:
        EndpointSettings.load({"OPENAI_API_KEY": key})
    assert key not in str(caught.value)


def test_no_key_shows_in_what_is_printed() -> None:
    settings = EndpointSettings.load({"OPENAI_API_KEY": "sk-1", "CHAT_API_KEY": "sk-2"})

    assert "sk-" not in f"{settings!r}{settings}{settings.chat_server()!r}{settings.chat_candidates({})}"


def test_chat_has_the_common_server_unless_it_has_its_own() -> None:
    common = {"OPENAI_API_KEY": "k", "OPENAI_ORGANIZATION": "org", "OPENAI_PROJECT": "p", "CHAT_MODEL": "m"}
    own = {**common, "CHAT_BASE_URL": "http://localhost/v1", "CHAT_API_KEY": "c"}

    assert candidates(**common) == (
        Candidate(Server("https://api.openai.com/v1", SecretStr("k"), "org", "p", "OPENAI"), "m"),
    )
    assert candidates(**own) == (
        Candidate(Server("http://localhost/v1", SecretStr("c"), variable="CHAT"), "m"),
    )


def test_fallbacks_are_on_the_same_server_or_on_a_named_one() -> None:
    found = candidates(
        OPENAI_API_KEY="k",
        CHAT_MODEL="m",
        CHAT_FALLBACKS="small, big@DEEPSEEK, claude@2026, local@BOX, other@OPENAI",
        DEEPSEEK_BASE_URL="https://api.deepseek.com/",
        DEEPSEEK_API_KEY="d",
        BOX_BASE_URL="http://box:8000/v1",
    )
    main = Server("https://api.openai.com/v1", SecretStr("k"))

    assert [candidate.model for candidate in found] == ["m", "small", "big", "claude@2026", "local", "other"]
    assert found[1].server == main
    assert found[2].server == Server("https://api.deepseek.com", SecretStr("d"))
    assert found[4].server == Server("http://box:8000/v1")
    assert [found[n].server.variable for n in (1, 2, 4)] == ["OPENAI", "DEEPSEEK", "BOX"]
    assert found[5].server == main


def test_a_server_is_the_same_whatever_it_is_called() -> None:
    assert Server("http://x/v1", SecretStr("k"), variable="ONE") == Server(
        "http://x/v1", SecretStr("k"), variable="TWO"
    )
    assert Server("http://x/v1", SecretStr("k")) != Server("http://x/v1", SecretStr("other"))


def test_every_fault_of_the_fallbacks_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        candidates(
            CHAT_FALLBACKS="a@ONE,b@TWO,c@THREE,d@FOUR",
            TWO_BASE_URL="https://two/v1",
            THREE_BASE_URL="three",
            FOUR_BASE_URL="https://four/v1",
            FOUR_API_KEY="two words",
        )

    assert str(caught.value).splitlines() == [
        "CHAT_FALLBACKS: a@ONE: ONE_BASE_URL is not set",
        "CHAT_FALLBACKS: b@TWO: TWO_API_KEY is not set",
        "CHAT_FALLBACKS: c@THREE: THREE_BASE_URL: write a whole address such as https://api.openai.com/v1",
        "CHAT_FALLBACKS: d@FOUR: FOUR_API_KEY: holds a blank or a character that no key has; copy it again",
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TEMPERATURE", "3"),
        ("TOP_P", "-1"),
        ("MAX_TOKENS", "0"),
        ("REASONING_EFFORT", "much"),
        ("MAX_TOKENS", "many"),
    ],
)
def test_numbers_out_of_bounds_are_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: "):
        EndpointSettings.load({name: value})


# --- capabilities

ALL: tuple[Capability, ...] = ("vision", "image", "edit", "transcribe", "translate", "speak")
CHAT = {"CHAT_BASE_URL": "https://chat.example.org/v1", "CHAT_API_KEY": "sk-chat"}
OPENAI = {"OPENAI_API_KEY": "sk-openai", "OPENAI_ORGANIZATION": "org-1"}


def at(server: Server) -> tuple[str, str]:
    return server.host, server.key.get_secret_value() if server.key else ""


def test_with_openai_alone_everything_is_there() -> None:
    given = EndpointSettings.load(OPENAI)
    assert {at(given.server(capability)) for capability in ALL} == {("api.openai.com", "sk-openai")}
    assert {given.server(capability).organization for capability in ALL} == {"org-1"}


def test_with_a_server_for_chat_alone_everything_is_there() -> None:
    given = EndpointSettings.load(CHAT)
    assert {at(given.server(capability)) for capability in ALL} == {("chat.example.org", "sk-chat")}


def test_beside_a_server_for_chat_openai_does_all_but_look() -> None:
    given = EndpointSettings.load(CHAT | OPENAI)
    hosts = {capability: at(given.server(capability)) for capability in ALL}
    assert hosts.pop("vision") == ("chat.example.org", "sk-chat")
    assert set(hosts.values()) == {("api.openai.com", "sk-openai")}


def test_a_capability_lends_its_server_to_the_nearest_one_and_to_no_other() -> None:
    given = EndpointSettings.load(
        OPENAI
        | {"IMAGE_BASE_URL": "https://paint.example.org/v1", "IMAGE_API_KEY": "sk-paint", "IMAGE_MODEL": "p"}
        | {"TRANSCRIPTION_BASE_URL": "http://ears.example.org/v1", "TRANSLATION_API_KEY": "sk-tongue"}
    )
    assert {capability: at(given.server(capability)) for capability in ALL} == {
        "vision": ("api.openai.com", "sk-openai"),
        "image": ("paint.example.org", "sk-paint"),
        "edit": ("paint.example.org", "sk-paint"),
        "transcribe": ("ears.example.org", "sk-openai"),
        "translate": ("ears.example.org", "sk-tongue"),
        "speak": ("api.openai.com", "sk-openai"),
    }
    assert (given.server("edit").variable, given.server("edit").organization) == ("IMAGE", "")
    assert (given.model("image"), given.model("edit"), given.model("speak")) == ("p", "p", "")


def test_another_server_for_changes_does_not_take_the_model_that_draws_elsewhere() -> None:
    given = EndpointSettings.load(
        {"IMAGE_MODEL": "p", "IMAGE_EDIT_BASE_URL": "https://retouch.example.org/v1"}
    )
    assert given.model("edit") == ""
    assert given.configured() == {"image": "IMAGE_MODEL", "edit": "IMAGE_EDIT_MODEL"}


def test_a_model_for_vision_is_a_candidate_of_its_own() -> None:
    assert EndpointSettings.load(CHAT).vision_candidate() is None
    found = EndpointSettings.load(CHAT | {"VISION_MODEL": "eyes"}).vision_candidate()
    assert found is not None
    assert (at(found.server), found.model) == (("chat.example.org", "sk-chat"), "eyes")


def test_no_key_shows_in_what_is_written_of_a_server() -> None:
    given = EndpointSettings.load(OPENAI | {"SPEECH_API_KEY": "sk-speech"})
    assert "sk-" not in f"{given!r} {[given.server(capability) for capability in ALL]!r}"
