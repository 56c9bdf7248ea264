"""Commands of those who run the bot: letting people in, reading files again, and what became of a message."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.access import Access, AccessSettings
from bot.api import Choices, Incoming, Notice, Person, Place
from bot.commands import Registry
from bot.commands.admin import Admins
from bot.errors import SettingsError
from bot.i18n import LANGUAGES, Catalogue
from bot.keys import Keys, connect
from bot.reloads import Reloads
from bot.traces import Traces
from tests.bot.doubles import Collected, delivery, incoming

NOW = 1_795_000_000.0


class House:
    """The family over a real Redis; Eve runs the bot."""

    def __init__(self, redis: Redis, prefix: str, **chosen: str) -> None:
        keys, catalogue = Keys(prefix), Catalogue.load()
        given = AccessSettings.load({"ADMINS": "test:eve", **chosen})
        self.access = Access(given, redis, keys, trusted=(), clock=lambda: NOW)
        self.traces = Traces(redis, keys, clock=lambda: NOW - 7200)
        self.fault: SettingsError | None = None
        self.readings = 0
        self.registry = Registry(
            Admins(self.access, self.traces, Reloads(redis, keys, self.read), clock=lambda: NOW).commands(),
            languages=catalogue.languages,
            say=catalogue.say,
            admin=self.access.admin,
        )

    def read(self) -> None:
        if self.fault:
            raise self.fault
        self.readings += 1

    async def say(self, text: str, who: str = "eve", language: str = "en", group: str = "") -> Collected:
        message = incoming(text, chat=who)
        if group:
            place = Place("test", "bot", group, kind="group")
            message = Incoming(message.id, place, message.person, text)
        made, reply = delivery(message, language=language)
        assert await self.registry.run(made)
        return reply

    def admits(self, who: str, group: str = "") -> bool:
        kind = "group" if group else "private"
        return self.access.admits(Place("test", "bot", group or who, kind=kind), Person(who))


@pytest.fixture
def house(redis: Redis, prefix: str):
    return lambda **chosen: House(redis, prefix, **chosen)


def shown(reply: Collected) -> str:
    return "\n".join(part.text for part in reply.parts if isinstance(part, Notice | Choices))


async def test_a_stranger_is_let_in_by_code_or_by_name_and_shut_out_again(house):
    home = house()
    code = await home.access.pair(Place("test", "bot", "ann"), Person("ann", "Ann"))
    assert (await home.say(f"/allow {code}")).notices == ["allow.done"]
    assert (await home.say("/allow test:bob")).notices == ["allow.done"]
    assert home.admits("ann")
    assert home.admits("bob")
    assert (await home.say("/deny test:ann")).notices == ["deny.done"]
    assert not home.admits("ann")
    by = {verdict.name: verdict.by for verdict in await home.access.verdicts()}
    assert by == {"test:ann": "test:eve", "test:bob": "test:eve"}


async def test_a_whole_group_is_let_in_from_within(house):
    home = house()
    assert (await home.say("/allow here", group="-9")).notices == ["allow.done"]
    assert home.admits("anybody", group="-9")
    assert not home.admits("anybody")
    assert (await home.say("/allow here")).notices == ["allow.how"]  # in private there is no group


@pytest.mark.parametrize(
    ("text", "notice"),
    [
        ("/allow", "allow.how"),
        ("/allow NOSUCHCD", "allow.unknown"),
        ("/allow ann", "allow.unknown"),
        ("/allow test:bad", "allow.blocked"),
        ("/deny", "deny.how"),
        ("/deny NOSUCHCD", "allow.unknown"),
        ("/deny test:eve", "deny.settled"),
        ("/deny test:friend", "deny.settled"),
    ],
)
async def test_what_cannot_be_done_is_said_and_changes_nothing(house, text: str, notice: str):
    home = house(BLOCKED="test:bad", ALLOWED="test:friend")
    assert (await home.say(text)).notices == [notice]
    assert await home.access.verdicts() == []


@pytest.mark.parametrize("text", ["/allow test:ann", "/deny test:eve", "/people", "/reload", "/debug X"])
async def test_nobody_else_has_these_commands(house, text: str):
    home = house()
    assert (await home.say(text, "ann")).notices[0].startswith("command.unknown")
    assert (await home.say(text, "ann", group="-9")).parts == []
    assert await home.access.verdicts() == []
    assert home.readings == 0


@pytest.mark.parametrize("language", LANGUAGES)
async def test_an_admin_sees_who_was_let_in_and_who_waits_and_lets_in_by_a_button(house, language: str):
    home = house()
    assert len((await home.say("/people", language=language)).choices) == 0
    await home.say("/allow test:bob")
    await home.say("/deny test:cleo")
    code = await home.access.pair(Place("test", "bot", "ann"), Person("ann", "Ann"))
    (question,) = (await home.say("/people", language=language)).choices
    for text in ("test:bob", "test:cleo", "test:ann", code, "test:eve", "2026-11-18"):
        assert text in question.text
    assert [option.value for option in question.options] == [f"/allow {code}"]
    assert "Ann" in question.options[0].label
    await home.say(question.options[0].value)
    assert home.admits("ann")


async def test_a_long_list_is_cut_and_says_so(house):
    home = house()
    for number in range(35):
        await home.access.let_in(f"test:{number}", by="x")
    assert "and 5 more" in shown(await home.say("/people"))


async def test_the_files_are_read_again_and_a_fault_is_told(house):
    home = house()
    assert (await home.say("/reload")).notices == ["reload.done"]
    assert home.readings == 1
    home.fault = SettingsError("PRICES_FILE: cannot read prices.toml")
    reply = await home.say("/reload")
    assert reply.notices == ["reload.failed"]
    assert "cannot read prices.toml" in shown(reply)


async def test_what_became_of_a_message_is_found_by_its_reference(house):
    home = house()
    await home.traces.begin("AB12", person="test:ann", place="test:ann", attempt=2, sent_at=1)
    await home.traces.end("AB12", "failed", "KeyRejected")
    text = shown(await home.say("/debug ab12"))
    for part in ("AB12: ended with an error", "test:ann", "Attempt: 2", "2 hours ago", "KeyRejected"):
        assert part in text
    assert (await home.say("/debug")).notices == ["debug.how"]
    assert (await home.say("/debug ZZ99")).notices == ["debug.unknown"]
    assert (await home.say("/debug a:b*")).notices == ["debug.unknown"]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.sampled_from(LANGUAGES))
def test_whatever_an_admin_writes_there_is_an_answer_in_words(redis_url, text, language):
    async def run() -> None:
        redis = connect(redis_url)
        try:
            home = House(redis, "admin-fuzz:")
            for command in ("/allow", "/deny", "/people", "/debug", "/reload"):
                assert (await home.say(f"{command} {text}", language=language)).parts
            assert all(":" in verdict.name for verdict in await home.access.verdicts())
        finally:
            await redis.aclose()

    asyncio.run(run())


# --- every process ------------------------------------------------------------------------------------------


async def test_every_process_reads_its_files_again_once(redis: Redis, prefix: str):
    read: list[str] = []
    here, there = (
        Reloads(redis, Keys(prefix), lambda name=name: read.append(name)) for name in ("here", "there")
    )
    await here.look()
    await there.look()
    await here.ask()
    for _ in range(2):
        await here.look()
        await there.look()
    assert read == ["here", "there"]


async def test_a_process_that_begins_later_does_not_read_twice(redis: Redis, prefix: str):
    read: list[int] = []
    reloads = Reloads(redis, Keys(prefix), lambda: read.append(1))
    await reloads.ask()
    later = Reloads(redis, Keys(prefix), lambda: read.append(2))
    await later.look()
    assert read == [1]


async def test_a_file_that_cannot_be_used_elsewhere_does_not_end_the_watch(
    redis: Redis, prefix: str, tmp_path: Path
):
    def broken() -> None:
        raise SettingsError(f"cannot read {tmp_path}")

    here, there = Reloads(redis, Keys(prefix), lambda: None), Reloads(redis, Keys(prefix), broken)
    slept = 0

    async def sleep(_: float) -> None:
        nonlocal slept
        slept += 1
        await here.ask()
        if slept == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await there.watch(sleep)
    assert slept == 3
