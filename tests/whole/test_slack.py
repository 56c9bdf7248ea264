"""Slack, the whole way: people in a workspace, Slack's wire, the bot in a process of its own, and the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.process import Bot, bot, until
from tests.simulators.endpoint import Answer, Call, EndpointSimulator, say
from tests.simulators.slack import Message, Person, SlackSimulator, Thread, slack_simulator
from tests.whole.conftest import towards

AFTER = ["Retry", "👍", "👎"]  # the buttons under a whole answer


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with slack_simulator() as simulator:
        simulator.ack_seconds = 10  # the machine may be busy
        yield simulator


@pytest.fixture
def ann(slack: SlackSimulator) -> Person:
    return slack.person("Ann")


@pytest.fixture
def bob(slack: SlackSimulator) -> Person:
    return slack.person("Bob")


def common(endpoint: EndpointSimulator, slack: SlackSimulator) -> dict[str, str]:
    """Settings of every bot here; each message is a question of its own."""
    return towards(endpoint) | {
        "SLACK_API_BASE_URL": slack.base_url,
        "ALLOWED": "slack:*",
        "BURST": "0s",
    }


def by_socket(endpoint: EndpointSimulator, slack: SlackSimulator, **more: str) -> dict[str, str]:
    tokens = {"SLACK_BOT_TOKEN": slack.team.token, "SLACK_APP_TOKEN": slack.app_token}
    return common(endpoint, slack) | tokens | more


def by_http(endpoint: EndpointSimulator, slack: SlackSimulator, **more: str) -> dict[str, str]:
    tokens = {"SLACK_BOT_TOKEN": slack.team.token, "SLACK_SIGNING_SECRET": slack.signing_secret}
    return common(endpoint, slack) | tokens | more


@pytest.fixture
async def running(
    tmp_path: Path, endpoint: EndpointSimulator, slack: SlackSimulator, ann: Person
) -> AsyncIterator[Bot]:
    """By Socket Mode, with Ann as the admin."""
    async with bot(tmp_path, **by_socket(endpoint, slack, ADMINS=f"slack:{ann.id}")) as made:
        await slack.connected()
        yield made


def heard(call: Call) -> list[str]:
    """What people said, as a request has it."""
    return [m["content"] for m in call.body["messages"] if m["role"] == "user"]


def system(call: Call) -> str:
    return "".join(m["content"] for m in call.body["messages"] if m["role"] == "system")


def gates(*given: asyncio.Event) -> list[asyncio.Event]:
    """The first piece of an answer comes at once, each of the others after its event."""
    begun = asyncio.Event()
    begun.set()
    return [begun, *given]


def whole(thread: Thread, text: str) -> bool:
    """Whether the thread shows an answer and its buttons: it is complete."""
    return any(text in message.shown and "Retry" in message.buttons for message in thread.from_app)


async def answered(thread: Thread, text: str, within: float = 30) -> Message:
    """The answer, once it is complete."""
    await thread.until(lambda: whole(thread, text), within)
    return await thread.shows(text)


async def test_a_direct_message_streams_and_its_thread_remembers(
    running: Bot, endpoint: EndpointSimulator, slack: SlackSimulator, ann: Person
):
    dm = slack.dm(ann)
    gate = asyncio.Event()
    endpoint.script(say(["The first words of the answer, ", "and **the rest**."], gates=gates(gate)))
    question = await ann.says(dm, "My name is Ann.")
    thread = question.thread
    growing = await thread.shows("first words")
    assert slack.streams.running(growing)
    assert thread.status == "processing"
    gate.set()
    answer = await answered(thread, "the rest")
    assert answer.shown == "The first words of the answer, and **the rest**."
    assert answer.buttons == AFTER
    await thread.until(lambda: thread.status == "active")
    await thread.until(lambda: thread.title == "My name is Ann.")
    await ann.says(dm, "What is my name?", thread=question)
    await answered(thread, "What is my name?")
    assert heard(endpoint.requests[-1]) == ["My name is Ann.", "What is my name?"]
    other = await ann.says(dm, "Another matter")
    await answered(other.thread, "Another matter")
    assert heard(endpoint.requests[-1]) == ["Another matter"]
    assert slack.refused("chat.startStream") == []


async def test_three_people_in_a_channels_thread_are_told_apart_and_what_was_said_before_is_read_once(
    running: Bot, endpoint: EndpointSimulator, slack: SlackSimulator, ann: Person, bob: Person
):
    cid = slack.person("Cid")
    general = slack.channel("general", [ann, bob, cid])
    first = await bob.says(general, "The release is on Friday.")
    thread = first.thread
    await cid.says(general, "I write the changelog.", thread=first)
    endpoint.script("Cid does.", "On Friday.", "So it is.")
    await ann.says(general, f"{slack.mention} who writes what?", thread=first)
    await answered(thread, "Cid does.")
    await bob.says(general, "When is it due?", thread=first)
    await answered(thread, "On Friday.")
    await cid.says(general, "Thanks", thread=first)
    await answered(thread, "So it is.")
    told = heard(endpoint.requests[-1])
    assert len(told) == 3
    before, _, called = told[0].rpartition("\n\n")
    assert "Bob: The release is on Friday.\n- Cid: I write the changelog." in before
    assert [said.partition(" ")[0] for said in (called, *told[1:])] == ["[Ann", "[Bob", "[Cid"]
    assert [said.partition("] ")[2] for said in (called, *told[1:])] == [
        "who writes what?",
        "When is it due?",
        "Thanks",
    ]
    assert "release" not in "".join(told[1:])
    assert len(slack.called("conversations.replies")) == 1
    aside = await bob.says(general, "Lunch?")
    await bob.says(general, "Leave", thread=first)
    await thread.shows("I have left this thread.")
    await bob.says(general, "Just between us", thread=first)
    await slack.settled()
    assert aside.thread.visible() == []
    assert len(endpoint.requests) == 3


async def test_a_mention_that_arrives_twice_is_answered_once_and_so_is_a_redelivery(
    running: Bot, endpoint: EndpointSimulator, slack: SlackSimulator, ann: Person
):
    general = slack.channel("general", [ann])
    for first in ("message", "app_mention"):
        slack.mention_first = first
        question = await ann.says(general, f"{slack.mention} the {first} comes first")
        await answered(question.thread, "comes first")
        await slack.settled()
    assert [len(slack.deliveries.of(kind)) for kind in ("app_mention", "message")] == [2, 2]
    for delivery in list(slack.deliveries):
        slack.deliveries.again(delivery)
    await slack.settled()
    after = await ann.says(general, f"{slack.mention} last")
    await answered(after.thread, "last")
    assert len(endpoint.requests) == 3
    assert len(general.visible()) == 3


async def test_a_slash_command_asks_for_all_and_answers_commands_to_one(
    running: Bot, endpoint: EndpointSimulator, slack: SlackSimulator, ann: Person, bob: Person
):
    general = slack.channel("general", [ann, bob])
    outside = slack.channel("outside", [ann, bob], bot=False)
    assert await (await bob.slash(general, "what is a changelog?")).answered() is None
    asked = await general.shows("*Bob asks:* what is a changelog?")
    await answered(asked.thread, "what is a changelog?")
    await ann.says(general, "And a readme?", thread=asked)
    await answered(asked.thread, "And a readme?")
    assert [text.partition("] ")[2] for text in heard(endpoint.requests[-1])] == [
        "what is a changelog?",
        "And a readme?",
    ]
    for channel in (general, outside):
        await (await bob.slash(channel, "help")).answered()
        help = await bob.sees(channel, "these commands")
        assert "/parley stop – stop the answer that is being written" in help.shown
    refused = await (await bob.slash(outside, "and what is this?")).answered()
    assert "/invite" in refused["text"]
    assert not any("commands" in text for text in (*ann.whispers(general), *ann.whispers(outside)))
    await ann.says(general, "!undo", thread=asked)
    await asked.thread.shows("are taken back")
    assert len(endpoint.requests) == 2


async def test_the_menu_of_a_message_summarises_its_thread_and_asks_about_it(
    running: Bot, endpoint: EndpointSimulator, slack: SlackSimulator, ann: Person, bob: Person
):
    general = slack.channel("general", [ann, bob])
    first = await bob.says(general, "We meet at noon.")
    await ann.says(general, "At one, please.", thread=first)
    endpoint.script("They meet at one.", "In the park.")
    await (await ann.shortcut(first, "summarise")).answered()
    await answered(first.thread, "They meet at one.")
    [request] = endpoint.requests
    assert "We meet at noon." in heard(request)[-1]
    assert "Ann: At one, please." in heard(request)[-1]
    await (await bob.shortcut(first, "ask")).answered()
    await (await bob.submits({"question": "Where?"})).answered()
    await answered(first.thread, "In the park.")
    assert heard(endpoint.requests[-1])[-1].endswith("> We meet at noon.\n\nWhere?")
    assert [text for text in first.thread.visible() if "asks" in text][-1] == "*Bob asks:* Where?"


async def test_what_is_chosen_on_the_home_tab_holds_in_every_new_thread(
    running: Bot, endpoint: EndpointSimulator, slack: SlackSimulator, ann: Person, bob: Person
):
    dm = slack.dm(bob)
    await bob.opens_home()
    home = await bob.sees_view("Your usage")
    assert "Today: 0 answers" in home.shown
    poet = next(option for option in home.options("home:set:role") if "Poet" in option)
    await (await bob.selects(home, "home:set:role", poet)).answered()
    await bob.sees_view("From now on")
    question = await bob.says(dm, "hello")
    await answered(question.thread, "hello")
    assert "poet" in system(endpoint.requests[-1]).lower()
    await (await bob.presses(await bob.sees_view("Define a role"), "Define a role")).answered()
    await bob.sees_view("Who should I be")
    await (await bob.submits({"name": "Pirate", "prompt": "You are an old pirate."})).answered()
    await bob.sees_view("Pirate")
    await bob.opens_home()
    home = await bob.sees_view("Today: one answer")
    await (
        await bob.selects(home, "home:set:role", _named(home.options("home:set:role"), "Pirate"))
    ).answered()
    await bob.sees_view("From now on")
    question = await bob.says(dm, "who are you?")
    await answered(question.thread, "who are you?")
    assert "old pirate" in system(endpoint.requests[-1])
    assert heard(endpoint.requests[-1]) == ["who are you?"]
    other = await ann.says(slack.dm(ann), "and for me?")
    await answered(other.thread, "and for me?")
    assert "pirate" not in system(endpoint.requests[-1])
    assert dm.visible() == ["hello", "who are you?"]


def _named(options: list[str], name: str) -> str:
    return next(option for option in options if name in option)


async def test_ratings_are_counted_and_shown_to_the_admin_alone(
    running: Bot, endpoint: EndpointSimulator, slack: SlackSimulator, ann: Person, bob: Person
):
    for text, good in (("one", True), ("two", True), ("three", False)):
        question = await bob.says(slack.dm(bob), text)
        answer = await answered(question.thread, text)
        await (await bob.rates(answer, good=good)).answered()
    counted = "2 good, 1 bad"

    async def seen() -> bool:
        await ann.opens_home()
        await slack.settled()
        return ann.home is not None and counted in ann.home.shown

    await until(seen)
    await bob.opens_home()
    assert counted not in (await bob.sees_view("Your usage")).shown
    assert slack.dm(bob).visible() == ["one", "two", "three"]


async def test_an_answer_is_stopped_in_the_middle_by_slacks_button_and_by_ours(
    running: Bot, endpoint: EndpointSimulator, slack: SlackSimulator, ann: Person
):
    talk = say(["Words without any end to them,", " never"], gates=gates(asyncio.Event()))
    endpoint.script(talk, "another answer", talk)
    question = await ann.says(slack.dm(ann), "talk")
    thread = question.thread
    await thread.shows(lambda message: slack.streams.running(message) and "Words" in message.shown)
    await ann.stops(thread)
    ended = await thread.shows("Stopped.")
    await thread.until(lambda: ended.buttons == ["Retry", "Continue"])
    assert thread.visible() == ["Words without any end to them,", "Stopped."]
    await thread.until(lambda: thread.status == "active")
    await (await ann.presses(ended, "Retry")).answered()
    await answered(thread, "another answer")
    assert [call.text for call in endpoint.requests] == ["talk", "talk"]
    slack.streaming = False
    general = slack.channel("general", [ann])
    question = await ann.says(general, f"{slack.mention} talk")
    growing = await question.thread.shows(lambda message: "Stop" in message.buttons)
    await (await ann.presses(growing, "Stop")).answered()
    await question.thread.shows("Stopped.")
    await question.thread.until(lambda: "Stop" not in question.thread.buttons)
    for call in endpoint.requests:
        await asyncio.wait_for(call.closed.wait(), 30)


async def test_an_edit_is_answered_anew_and_a_deletion_ends_the_answer(
    running: Bot, endpoint: EndpointSimulator, slack: SlackSimulator, ann: Person
):
    dm = slack.dm(ann)
    question = await ann.says(dm, "2+2")
    await answered(question.thread, "2+2")
    await ann.edits(question, "3*3")
    await answered(question.thread, "3*3")
    await ann.says(dm, "and then?", thread=question)
    await answered(question.thread, "and then?")
    assert heard(endpoint.requests[-1]) == ["3*3", "and then?"]
    endpoint.script(say(["Words without any end to them,", " never"], gates=gates(asyncio.Event())))
    doomed = await ann.says(dm, "talk")
    await doomed.thread.shows("Words")
    await ann.deletes(doomed)
    call = endpoint.requests[-1]
    await asyncio.wait_for(call.closed.wait(), 30)
    assert call.left
    await doomed.thread.until(lambda: not any(map(slack.streams.running, dm.from_app)))


async def test_a_long_answer_comes_in_order_and_whole_though_slack_drops_its_stream_and_asks_to_wait(
    running: Bot, endpoint: EndpointSimulator, slack: SlackSimulator, ann: Person
):
    text = "\n\n".join(f"Paragraph {n}. " + "word " * 60 for n in range(48))
    assert 15_000 < len(text) < 16_000
    gate, other = asyncio.Event(), asyncio.Event()
    cut = text.index("Paragraph 10")
    pieces = [text[:cut], text[cut : 2 * cut], text[2 * cut :]]
    endpoint.script(say(pieces, gates=gates(gate, other)))
    question = await ann.says(slack.dm(ann), "Go on at length")
    growing = await question.thread.shows("Paragraph 8")
    slack.streams.drop(growing)
    gate.set()
    await question.thread.shows("Paragraph 18", within=40)
    slack.limit("chat.update", retry_after=1)
    other.set()
    await question.thread.shows("Paragraph 47", within=40)
    await question.thread.until(lambda: question.thread.last.buttons == AFTER, 15)
    shown = question.thread.visible()
    assert len(shown) == 2
    assert " ".join(" ".join(shown).split()) == " ".join(text.split())
    assert not any(message.broken for message in question.thread.from_app)


async def test_whoever_throws_the_bot_out_in_the_middle_of_an_answer_stops_that_answer_alone(
    running: Bot, endpoint: EndpointSimulator, slack: SlackSimulator, ann: Person
):
    general, dm = slack.channel("general", [ann]), slack.dm(ann)
    gate = asyncio.Event()
    endpoint.script(say(["The first words of the answer, ", *["and more "] * 200], gates=gates(gate)))
    question = await ann.says(general, f"{slack.mention} talk")
    await question.thread.shows("first words")
    await ann.removes(general)
    other = await ann.says(dm, "still here?")
    gate.set()
    await answered(other.thread, "still here?")
    await until(lambda: _logged(running, "not_in_channel"))
    await ann.invites(general)
    await general.shows("Mention me in a message")
    again = await ann.says(general, f"{slack.mention} back again")
    await answered(again.thread, "back again")


async def _logged(made: Bot, words: str) -> bool:
    return words in made.log


async def test_signed_events_are_answered_and_others_are_refused(
    tmp_path: Path, endpoint: EndpointSimulator, slack: SlackSimulator, ann: Person
):
    general = slack.channel("general", [ann])
    slack.retry_delays = (0.0, 0.1, 0.1)
    async with bot(tmp_path, **by_http(endpoint, slack)) as made:
        address = f"{made.url}/slack/events"
        with pytest.raises(AssertionError, match="url_verification: 401"):
            await slack.deliver_to(address, secret="not the app's")
        await slack.deliver_to(address)
        question = await ann.says(slack.dm(ann), "hello")
        answer = await answered(question.thread, "hello")
        await (await ann.presses(answer, "Retry")).answered()
        await question.thread.until(lambda: len(endpoint.requests) == 2)
        await (await ann.slash(general, "what is this?")).answered()
        asked = await general.shows("*Ann asks:*")
        await answered(asked.thread, "what is this?")
        slack.skew = 301
        late = await ann.says(general, f"{slack.mention} too late")
        await slack.settled(within=40)
        assert {delivery.tries[-1].status for delivery in slack.deliveries.of("app_mention")} == {401}
        assert late.thread.visible() == []
        assert len(endpoint.requests) == 3
        assert slack.called("apps.connections.open") == []


async def test_two_workspaces_install_the_app_and_are_answered_apart_by_their_own_tokens(
    tmp_path: Path,
    endpoint: EndpointSimulator,
    slack: SlackSimulator,
    redis_url: str,
    redis: Redis,
    prefix: str,
):
    teams = [slack.add_team(name, installed=False) for name in ("Acme", "Globex")]
    made = Bot(tmp_path, {})
    made.settings = common(endpoint, slack) | {
        "SLACK_CLIENT_ID": slack.client_id,
        "SLACK_CLIENT_SECRET": slack.client_secret,
        "SLACK_SIGNING_SECRET": slack.signing_secret,
        "PUBLIC_URL": made.url,
        "REDIS_URL": redis_url,
        "REDIS_PREFIX": prefix,
    }
    try:
        await made.start()
        await slack.deliver_to(f"{made.url}/slack/events")
        people = [slack.person("Ann", team=team) for team in teams]
        for person, team in zip(people, teams, strict=True):
            status, page = await person.installs(f"{made.url}/slack/install")
            assert status == 200
            assert team.token not in page
            question = await person.says(slack.dm(person), f"I work at {team.name}.")
            await answered(question.thread, f"I work at {team.name}.")
            await person.says(slack.dm(person), "Where do I work?", thread=question)
            await answered(question.thread, "Where do I work?")
            assert heard(endpoint.requests[-1]) == [f"I work at {team.name}.", "Where do I work?"]
        used = {call.team for call in slack.calls if call.method == "chat.startStream"}
        assert used == {team.id for team in teams}
        await slack.uninstall(teams[0])
        await slack.settled()
        lost = await people[0].says(slack.dm(people[0]), "hello?")
        kept = await people[1].says(slack.dm(people[1]), "hello?")
        await answered(kept.thread, "hello?")
        assert lost.thread.visible() == []
        await nothing_secret(made, redis, prefix, *(team.token for team in teams), slack.client_secret)
    finally:
        await made.remove()


async def nothing_secret(made: Bot, redis: Redis, prefix: str, *secrets: str) -> None:
    """No secret stands in the log, in the data directory, or in what Redis keeps for this bot."""
    held = [made.log, *[str([key, await kept(redis, key)]) for key in await redis.keys(f"{prefix}*")]]
    data = [path for path in (made.folder / "data").rglob("*") if path.is_file()]
    held += [path.read_bytes().decode(errors="replace") for path in data]
    assert any("slack" in text for text in held)
    assert not [secret for secret in secrets if any(secret in text for text in held)]


async def kept(redis: Redis, key: bytes | str) -> object:  # noqa: PLR0911
    """A key's value, whatever its type. (DUMP would compress it.)"""
    kind = await redis.type(key)
    match kind if isinstance(kind, str) else kind.decode():
        case "string":
            return await redis.get(key)
        case "hash":
            return await redis.hgetall(key)
        case "list":
            return await redis.lrange(key, 0, -1)
        case "set":
            return await redis.smembers(key)
        case "zset":
            return await redis.zrange(key, 0, -1)
        case "stream":
            return await redis.xrange(key)
        case "none":  # it has just expired
            return None
        case other:
            raise AssertionError(f"a key of the type {other}")


@pytest.mark.parametrize("way", ["socket", "http"])
async def test_a_kill_between_the_acknowledgement_and_the_answer_leaves_exactly_one_answer(
    tmp_path: Path, endpoint: EndpointSimulator, slack: SlackSimulator, ann: Person, way: str
):
    dm, general = slack.dm(ann), slack.channel("general", [ann])
    slack.retry_delays = (0.1,) * 100  # until the bot is there again, however slowly it starts
    begun = set[str]()
    gate = asyncio.Event()

    def reply(call: Call) -> Answer:
        """Get stuck in the middle of the first answer to a question; the second one is whole."""
        first = call.text not in begun
        begun.add(call.text)
        words = [f"To {call.text.rpartition('] ')[2]} I say at length: ", "this", " and that."]
        return say(words, gates=gates(gate) if first else ())(call)

    endpoint.reply = reply
    made = Bot(tmp_path, (by_socket if way == "socket" else by_http)(endpoint, slack))
    try:
        await made.start()
        if way == "http":
            await slack.deliver_to(f"{made.url}/slack/events")
        else:
            await slack.connected()
        for n, channel in enumerate((dm, general, dm, general)):
            call = slack.mention if channel is general else ""
            question = await ann.says(channel, f"{call} question {n}".strip())
            full = f"To question {n} I say at length: this and that."
            await slack.settled()
            await endpoint.arrived(2 * n + 1)
            if n >= 2:
                await question.thread.shows(f"question {n} I say")
            await made.kill()
            await made.start(ready=False)
            await answered(question.thread, full, within=40)
            assert question.thread.visible() == [full]
            assert len(endpoint.requests) == 2 * n + 2
    finally:
        await made.remove()


async def test_two_replicas_share_the_events_and_one_goes_on_when_the_other_is_killed(
    tmp_path: Path,
    endpoint: EndpointSimulator,
    slack: SlackSimulator,
    ann: Person,
    redis_url: str,
    redis: Redis,
    prefix: str,
):
    shared = by_socket(endpoint, slack, REDIS_URL=redis_url, REDIS_PREFIX=prefix, LEASE="5s")
    replicas = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        replicas.append(Bot(tmp_path / name, shared))
    people = [slack.person(f"P{n}") for n in range(6)]
    general = slack.channel("general", [ann])
    slack.retry_delays = (0.1,) * 100  # until the bot is there again, however slowly it starts
    try:
        await asyncio.gather(*(replica.start() for replica in replicas))
        await slack.connected(2)
        for n in range(6):
            question = await ann.says(general, f"{slack.mention} question {n}")
            await answered(question.thread, f"question {n}")
        await slack.settled()
        ways = {attempt.via for delivery in slack.deliveries for attempt in delivery.tries}
        assert len(ways) == 2  # each of them has received some
        assert len(endpoint.requests) == 6
        gate = asyncio.Event()
        endpoint.script(*[say(["Words, ", "and the rest"], gates=gates(gate))] * 6)
        asked = [await person.says(slack.dm(person), f"late {person.name}") for person in people]
        await endpoint.arrived(12)
        await replicas[0].kill()
        gate.set()
        for question in asked:
            await question.thread.until(lambda thread=question.thread: whole(thread, ""), 40)
        for person, question in zip(people, asked, strict=True):
            [shown] = question.thread.visible()
            assert shown in ("Words, and the rest", f"late {person.name}")
        await nothing_secret(replicas[1], redis, prefix, slack.team.token, slack.app_token)
    finally:
        for replica in replicas:
            await replica.remove()


async def test_a_missing_right_is_named_in_the_log_and_what_can_be_done_without_it_is_done(
    tmp_path: Path, endpoint: EndpointSimulator, slack: SlackSimulator, ann: Person
):
    slack.team.scopes -= {"users:read", "assistant:write"}
    async with bot(tmp_path, **by_socket(endpoint, slack)) as made:
        await slack.connected()
        question = await ann.says(slack.dm(ann), "hello")
        await answered(question.thread, "hello")
        await until(lambda: _logged(made, "slack.scopes_missing"))
        assert "users:read" in made.log
        assert "assistant:write" in made.log
