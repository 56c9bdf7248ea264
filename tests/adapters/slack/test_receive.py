"""How Slack's events come in, by the real library in both modes: once each, acknowledged only when they are safe."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from slack_sdk.signature import SignatureVerifier
from starlette.applications import Starlette
from structlog.testing import capture_logs

from adapters.slack.http import BODY_LIMIT, PATH
from bot import api
from bot.api import Accepted, Busy, End, Gone, Ignored, Incoming, Media, Place, Unavailable
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.adapters.slack.running import Ear, Running, made, reachable, running
from tests.simulators.slack import File, Person, SlackSimulator, slack_simulator

PNG = b"\x89PNG a picture"


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with slack_simulator() as simulator:
        simulator.retry_delays = (0.0, 0.05, 0.05)
        yield simulator


@pytest.fixture
def ann(slack: SlackSimulator) -> Person:
    return slack.person("Ann", locale="zh-CN")


@pytest.fixture
def bob(slack: SlackSimulator) -> Person:
    return slack.person("Bob")


@pytest.fixture(params=["socket", "http"])
def way(request: pytest.FixtureRequest) -> Any:
    """Both ways in which Slack sends."""
    return running if request.param == "socket" else reachable


# --- once, whatever Slack does -------------------------------------------------------------------------------


async def test_a_direct_message_is_heard_with_who_said_it(
    slack: SlackSimulator, ann: Person, way: Any
) -> None:
    async with way(slack) as bot:
        said = await ann.says(slack.dm(ann), "hello")
        await bot.ear.hears(1)
        (message,) = bot.ear.heard
        assert (message.id, message.text, message.addressed) == (said.ts, "hello", "private")
        assert (message.person.name, message.person.language) == ("Ann", "zh-CN")
        assert (message.place.account, message.place.thread) == (slack.team.id, said.ts)
        await slack.settled()


@pytest.mark.parametrize("first", ["message", "app_mention"])
async def test_a_mention_comes_twice_and_is_heard_once(
    slack: SlackSimulator, ann: Person, way: Any, first: str
) -> None:
    slack.mention_first = first
    general = slack.channel("general", [ann])
    async with way(slack) as bot:
        await ann.says(general, f"{slack.mention} hello")
        await bot.ear.hears(1)
        await slack.settled()
        assert {delivery.name for delivery in slack.deliveries} == {"message", "app_mention"}
        assert all(delivery.acknowledged for delivery in slack.deliveries)
        assert bot.ear.texts == ["hello"]
        assert bot.ear.heard[0].addressed == "mention"


async def test_what_is_delivered_again_is_acknowledged_again_and_heard_once(
    slack: SlackSimulator, ann: Person, way: Any
) -> None:
    async with way(slack) as bot:
        await ann.says(slack.dm(ann), "hello")
        await slack.settled()
        again = slack.deliveries.again(slack.deliveries.of("message")[0])
        await slack.settled()
        assert again.acknowledged
        assert len(bot.ear.tried) == 2
        assert bot.ear.texts == ["hello"]


async def test_it_is_acknowledged_only_after_it_was_accepted(
    slack: SlackSimulator, ann: Person, way: Any
) -> None:
    ear = Ear()
    ear.gate.clear()
    async with way(slack, ear=ear) as bot:
        await ann.says(slack.dm(ann), "hello")
        await bot.ear.until(lambda: bot.ear.tried)
        (delivery,) = slack.deliveries
        assert not delivery.over.is_set()
        ear.gate.set()
        await slack.settled()
        assert delivery.acknowledged


async def test_while_nothing_can_be_accepted_it_is_not_acknowledged_and_comes_again(
    slack: SlackSimulator, ann: Person, way: Any
) -> None:
    slack.ack_seconds = 1
    async with way(slack, ear=Ear(Unavailable("away"), Unavailable("away"))) as bot:
        await ann.says(slack.dm(ann), "hello")
        await bot.ear.hears(1)
        await slack.settled()
        (delivery,) = slack.deliveries
        assert delivery.acknowledged
        assert len(delivery.tries) == 3
        assert {attempt.status for attempt in delivery.tries} in ({503, 200}, {0})
        assert len({message.key for message in bot.ear.tried}) == 1


async def test_the_same_holds_while_slack_cannot_tell_who_we_are(
    slack: SlackSimulator, ann: Person, way: Any
) -> None:
    async with way(slack) as bot:
        await slack.until(lambda: any(call.method == "auth.test" for call in slack.calls))
    slack.fail(1, 502, "<html>", method="auth.test")
    async with way(slack) as bot:
        await ann.says(slack.dm(ann), "hello")
        await bot.ear.hears(1)


async def test_people_whom_slack_does_not_name_are_known_by_their_id(
    slack: SlackSimulator, ann: Person, way: Any
) -> None:
    slack.team.scopes.discard("users:read")
    async with way(slack) as bot:
        await ann.says(slack.dm(ann), "hello")
        await bot.ear.hears(1)
        assert (bot.ear.heard[0].person.id, bot.ear.heard[0].person.name) == (ann.id, "")


async def test_messages_of_one_thread_are_handed_in_as_they_came(
    slack: SlackSimulator, ann: Person, bob: Person
) -> None:
    """The first waits to hear who says it; what comes behind it in the thread is heard because of it."""
    general = slack.channel("general", [ann, bob])
    async with running(slack) as bot:
        await bob.says(slack.dm(bob), "hello")
        await slack.settled()
        slack.hang("users.info")
        question = await ann.says(general, f"{slack.mention} hello")
        await bob.says(general, "me too", thread=question)
        await slack.until(lambda: len(slack.deliveries) >= 4)
        slack.heal()
        await bot.ear.hears(3)
        assert bot.ear.texts == ["hello", "hello", "me too"]


async def test_a_thread_that_a_keyword_began_is_joined(slack: SlackSimulator, ann: Person) -> None:
    general = slack.channel("general", [ann])
    async with running(slack, ear=Ear(keyword="parley")) as bot:
        question = await ann.says(general, "parley, are you there?")
        await slack.settled()
        await ann.says(general, "good", thread=question)
        await slack.settled()
        assert [message.addressed for message in bot.ear.heard] == ["ambient", "reply"]


async def test_who_has_too_much_waiting_is_told_so(slack: SlackSimulator, ann: Person, way: Any) -> None:
    general = slack.channel("general", [ann])
    async with way(slack, ear=Ear(Busy("Too much waits."), Busy("Too much waits."), Busy("Too much waits."))):
        await ann.says(slack.dm(ann), "hello")
        await slack.dm(ann).shows("Too much waits.")
        await ann.says(general, f"{slack.mention} hello")
        whisper = await ann.sees(general, "Too much waits.")
        assert whisper.thread_ts == general.messages[0].ts


async def test_who_writes_while_an_answer_runs_is_told_once_that_the_message_waits(
    slack: SlackSimulator, ann: Person, bob: Person
) -> None:
    general = slack.channel("general", [ann, bob])
    mentioned = [Accepted("one"), Accepted("one")]  # a mention comes as two events
    waits = [*mentioned, Accepted("two", behind=1), Accepted("three", behind=2)]
    async with running(slack, ear=Ear(*waits)) as bot:
        question = await bob.says(general, f"{slack.mention} one")
        await slack.settled()
        for number in (2, 3):
            await ann.says(general, "more", thread=question)
            await bot.ear.hears(number)
        line = await ann.sees(general, "接下来就回答您")
        await slack.settled()
        assert line.thread_ts == question.ts
        assert len(ann.whispers(general)) == 1
        assert not any("comes next" in whispered for whispered in bob.whispers(general))


# --- Socket Mode ---------------------------------------------------------------------------------------------


async def test_several_processes_share_what_comes(slack: SlackSimulator, ann: Person) -> None:
    store = MemoryStore()
    async with running(slack, store=store) as one, running(slack, store=store) as other:
        assert len(slack.sockets.live) == 2
        for number in range(6):
            await ann.says(slack.dm(ann), str(number))
        await slack.settled()
        assert sorted([*one.ear.texts, *other.ear.texts]) == list("012345")
        assert one.ear.texts
        assert other.ear.texts


async def test_what_a_dead_process_did_not_acknowledge_another_one_gets(
    slack: SlackSimulator, ann: Person
) -> None:
    stuck = Ear()
    stuck.gate.clear()
    async with running(slack, ear=stuck) as one:
        await ann.says(slack.dm(ann), "hello")
        await one.ear.until(lambda: one.ear.tried)
        async with running(slack) as other:
            slack.cut(slack.sockets.live[0])
            await other.ear.hears(1)
            await slack.settled()


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "link_disabled"])
async def test_it_connects_again_when_slack_asks_for_it(
    slack: SlackSimulator, ann: Person, reason: str
) -> None:
    async with running(slack) as bot:
        await slack.disconnect(reason)
        await slack.until(lambda: slack.sockets.hellos >= 2)
        await ann.says(slack.dm(ann), "hello")
        await bot.ear.hears(1)
        await slack.settled()


async def test_it_connects_again_when_the_line_dies(slack: SlackSimulator, ann: Person) -> None:
    async with running(slack) as bot:
        slack.cut()
        await slack.until(lambda: slack.sockets.hellos >= 2)
        await ann.says(slack.dm(ann), "hello")
        await bot.ear.hears(1)


async def test_it_waits_while_slack_is_away_at_the_start(slack: SlackSimulator, ann: Person) -> None:
    slack.fail(2, 503, "", method="apps.connections.open")
    async with running(slack) as bot:
        await ann.says(slack.dm(ann), "hello")
        await bot.ear.hears(1)


async def test_a_refused_app_token_is_one_clear_line_and_tried_again(
    slack: SlackSimulator, ann: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    slack.refuse("apps.connections.open", "invalid_auth", times=3)
    async with running(slack) as bot:
        await ann.says(slack.dm(ann), "hello")
        await bot.ear.hears(1)
    lines = [line for line in capsys.readouterr().out.splitlines() if "token_refused" in line]
    assert len(lines) == 1
    assert "SLACK_APP_TOKEN" in lines[0]
    assert slack.app_token not in lines[0]


async def test_an_app_token_that_is_taken_back_is_told_of_once_until_it_is_taken_again(
    slack: SlackSimulator,
) -> None:
    with capture_logs() as logs:
        async with running(slack):
            for _ in range(2):
                slack.refuse("apps.connections.open", "token_revoked", times=3)
                before = len(slack.refused("apps.connections.open"))
                await slack.disconnect("refresh_requested")
                await slack.until(
                    lambda before=before: len(slack.refused("apps.connections.open")) == before + 3
                )
                await slack.connected()
    assert [line["error"] for line in logs if line["event"] == "slack.token_refused"] == ["token_revoked"] * 2


async def test_nothing_is_left_running_when_it_stops(slack: SlackSimulator) -> None:
    async with running(slack):
        pass
    await slack.until(lambda: not slack.sockets.live)
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]
    assert not [name for name in names if "SocketModeClient" in name]


# --- HTTP ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def posting(slack: SlackSimulator, **how: Any) -> AsyncIterator[tuple[Running, httpx.AsyncClient]]:
    """Somebody who posts to the routes."""
    bot = made(slack, http=True, **how)
    app = Starlette(routes=list(bot.adapter.routes(bot.ear.submit)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        yield bot, client
    await bot.adapter.close()


def signed(body: str, secret: str, age: float = 0.0) -> dict[str, str]:
    stamp = str(int(time.time() - age))
    signature = SignatureVerifier(secret).generate_signature(timestamp=stamp, body=body)
    return {
        "content-type": "application/json",
        "x-slack-request-timestamp": stamp,
        "x-slack-signature": signature or "",
    }


EVENT = {
    "type": "event_callback",
    "team_id": "T1",
    "event_id": "Ev1",
    "event": {"type": "message", "channel": "D1", "user": "U1", "text": "hello", "ts": "1700000000.000100"},
}


async def test_a_genuine_request_is_heard(slack: SlackSimulator) -> None:
    async with posting(slack) as (bot, client):
        body = json.dumps(EVENT)
        response = await client.post(PATH, content=body, headers=signed(body, slack.signing_secret))
        assert response.status_code == 200
        assert bot.ear.texts == ["hello"]


async def test_the_address_is_verified_without_a_word_to_the_core(slack: SlackSimulator) -> None:
    async with posting(slack) as (bot, client):
        body = json.dumps({"type": "url_verification", "challenge": "3eZbrw1aB", "token": "x"})
        response = await client.post(PATH, content=body, headers=signed(body, slack.signing_secret))
        assert response.json() == {"challenge": "3eZbrw1aB"}
        assert bot.ear.tried == []


async def test_requests_that_are_not_slacks_are_refused(slack: SlackSimulator) -> None:
    async with posting(slack) as (bot, client):
        body = json.dumps(EVENT)
        good = signed(body, slack.signing_secret)
        forged = [
            signed(body, "another secret"),
            signed(body, slack.signing_secret, age=301),
            signed(body, slack.signing_secret, age=-301),
            good | {"x-slack-request-timestamp": "now"},
            good | {"x-slack-signature": ""},
            {"content-type": "application/json"},
        ]
        for headers in forged:
            response = await client.post(PATH, content=body, headers=headers)
            assert response.status_code == 401
        changed = await client.post(PATH, content=body.replace("hello", "hullo"), headers=good)
        assert changed.status_code == 401
        assert (await client.get(PATH)).status_code == 405
        assert bot.ear.tried == []


async def test_a_forged_verification_is_refused_too(slack: SlackSimulator) -> None:
    async with posting(slack) as (_, client):
        body = json.dumps({"type": "url_verification", "challenge": "x"})
        assert (await client.post(PATH, content=body, headers=signed(body, "other"))).status_code == 401


async def test_a_body_that_is_too_large_is_not_read(slack: SlackSimulator) -> None:
    async with posting(slack) as (bot, client):
        body = "x" * (BODY_LIMIT + 1)
        response = await client.post(PATH, content=body, headers=signed(body, slack.signing_secret))
        assert response.status_code == 413
        assert bot.ear.tried == []


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff\xfe", b"{" * 100_000, b"payload=%7B"])
async def test_what_cannot_be_read_is_refused(slack: SlackSimulator, body: bytes) -> None:
    async with posting(slack) as (bot, client):
        headers = signed("", slack.signing_secret)
        assert (await client.post(PATH, content=body, headers=headers)).status_code in (400, 401)
        assert bot.ear.tried == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "event_callback"},
        {"type": "event_callback", "event": {"type": "message"}},
        {
            "type": "event_callback",
            "event": {"type": "message", "user": "U1", "text": "x", "ts": "x", "channel": "D1"},
        },
        {"type": "block_actions", "actions": [{"action_id": "say:0", "value": "x"}], "user": {}},
        {"type": "something_new"},
        {"type": "app_rate_limited", "team_id": "T1", "minute_rate_limited": 1518467820},
    ],
)
async def test_what_is_signed_and_means_nothing_is_acknowledged(
    slack: SlackSimulator, body: dict[str, Any]
) -> None:
    """Delivered again it would mean as little."""
    async with posting(slack) as (bot, client):
        text = json.dumps(body)
        response = await client.post(PATH, content=text, headers=signed(text, slack.signing_secret))
        assert response.status_code == 200
        assert bot.ear.tried == []


async def test_a_form_is_signed_in_the_same_way(slack: SlackSimulator) -> None:
    async with posting(slack) as (_, client):
        form = urlencode({"ssl_check": "1", "token": "x"})
        headers = signed(form, slack.signing_secret) | {"content-type": "application/x-www-form-urlencoded"}
        assert (await client.post(PATH, content=form, headers=headers)).status_code == 200


async def test_without_a_signing_secret_nothing_is_served(slack: SlackSimulator) -> None:
    bot = made(slack)
    assert bot.adapter.routes(bot.ear.submit) == []
    await bot.adapter.close()


async def test_what_people_say_and_our_secrets_are_not_logged(
    slack: SlackSimulator, ann: Person, way: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    slack.ack_seconds = 1
    async with way(slack, ear=Ear(Unavailable("away"))) as bot:
        await ann.says(slack.dm(ann), "between us")
        await bot.ear.hears(1)
        await slack.settled()
    logged = capsys.readouterr().out
    assert "slack.not_accepted" in logged
    secrets = ("between us", slack.team.token, slack.app_token, slack.signing_secret, "ticket=")
    assert not [secret for secret in secrets if secret in logged]


async def test_a_fault_of_ours_is_told_with_its_trace_and_the_message_comes_again(
    slack: SlackSimulator, ann: Person, way: Any
) -> None:
    slack.ack_seconds = 1
    with capture_logs() as logs:
        async with way(slack, ear=Ear(ValueError("a fault of ours"))) as bot:
            await ann.says(slack.dm(ann), "between us")
            await bot.ear.hears(1)
            await slack.settled()
    (line,) = [line for line in logs if line["event"] == "slack.library" and line.get("exc_info")]
    assert isinstance(line["exc_info"][1], ValueError)
    assert "between us" not in line["said"]


# --- threads -------------------------------------------------------------------------------------------------


async def test_after_a_mention_everything_in_its_thread_is_heard(
    slack: SlackSimulator, ann: Person, bob: Person, way: Any
) -> None:
    general = slack.channel("general", [ann, bob])
    async with way(slack) as bot:
        question = await ann.says(general, f"{slack.mention} hello")
        await slack.settled()
        await bob.says(general, "and what of me?", thread=question)
        await bob.says(general, "lunch?")
        await ann.says(general, "to all", thread=question, broadcast=True)
        await slack.settled()
        found = {message.text: message for message in bot.ear.heard}
        assert [found[text].addressed for text in ("hello", "and what of me?", "lunch?", "to all")] == [
            "mention",
            "reply",
            "ambient",
            "reply",
        ]
        assert found["and what of me?"].place == found["hello"].place == found["to all"].place
        assert found["and what of me?"].person.name == "Bob"


async def test_whoever_called_is_told_that_the_bot_listens_now(slack: SlackSimulator, ann: Person) -> None:
    general = slack.channel("general", [ann])
    async with running(slack):
        await ann.says(general, f"{slack.mention} hello")
        whisper = await ann.sees(general, lambda one: one.buttons)
        assert whisper.buttons == ["离开此消息列"]


@pytest.mark.parametrize("farewell", ["leave", "Bye bot!", "再见", "離開。", "mention leave"])
async def test_a_word_sends_it_out_of_a_thread_and_a_mention_calls_it_back(
    slack: SlackSimulator, ann: Person, bob: Person, farewell: str
) -> None:
    general = slack.channel("general", [ann, bob])
    async with running(slack) as bot:
        question = await ann.says(general, f"{slack.mention} hello")
        await slack.settled()
        await bob.says(general, farewell.replace("mention", slack.mention), thread=question)
        await question.thread.shows("I have left this thread.")
        await bob.says(general, "are you there?", thread=question)
        await slack.settled()
        assert bot.ear.texts == ["hello"]
        await bob.says(general, f"{slack.mention} come back", thread=question)
        await slack.settled()
        await bob.says(general, "good", thread=question)
        await slack.settled()
        assert bot.ear.texts == ["hello", "come back", "good"]
        assert len([line for line in question.thread.visible() if "left" in line]) == 1


async def test_a_farewell_where_it_takes_no_part_is_a_question(slack: SlackSimulator, ann: Person) -> None:
    general = slack.channel("general", [ann])
    async with running(slack) as bot:
        await ann.says(general, f"{slack.mention} bye")
        await ann.says(slack.dm(ann), "bye")
        await bot.ear.hears(2)


async def test_a_thread_of_which_the_core_wants_nothing_is_not_joined(
    slack: SlackSimulator, ann: Person
) -> None:
    general = slack.channel("general", [ann])
    async with running(slack, ear=Ear(Ignored(), Ignored())) as bot:
        question = await ann.says(general, f"{slack.mention} hello")
        await slack.settled()
        await ann.says(general, "hm", thread=question)
        await slack.settled()
        assert [message.text for message in bot.ear.heard if message.addressed == "reply"] == []
        assert ann.whispers(general) == []


# --- edits, deletions, files, stop ---------------------------------------------------------------------------


async def test_an_edit_and_a_deletion_name_the_message_that_they_change(
    slack: SlackSimulator, ann: Person, way: Any
) -> None:
    dm = slack.dm(ann)
    async with way(slack) as bot:
        said = await ann.says(dm, "helo")
        await slack.settled()
        await ann.edits(said, "hello")
        await ann.unfurls(said)
        await slack.settled()
        await ann.deletes(said)
        await slack.settled()
        first, edit, gone = bot.ear.heard
        assert (edit.text, edit.edits, edit.place) == ("hello", said.ts, first.place)
        assert (gone.withdrawn, gone.edits, gone.place) == (True, said.ts, first.place)
        assert gone.person.id == ann.id
        assert len({message.key for message in bot.ear.heard}) == 3


async def test_an_edit_that_calls_us_is_heard_once(slack: SlackSimulator, ann: Person, way: Any) -> None:
    general = slack.channel("general", [ann])
    async with way(slack) as bot:
        said = await ann.says(general, "what is a leek?")
        await slack.settled()
        await ann.edits(said, f"{slack.mention} what is a leek?")
        await slack.settled()
        (meant,) = bot.ear.meant
        assert (meant.edits, meant.addressed) == (said.ts, "mention")


async def test_a_question_with_an_answer_below_it_can_be_taken_back(
    slack: SlackSimulator, ann: Person
) -> None:
    """Its thread goes on, so Slack leaves a tombstone."""
    general = slack.channel("general", [ann])
    async with running(slack) as bot:
        question = await ann.says(general, f"{slack.mention} hello")
        await slack.settled()
        await ann.says(general, "more", thread=question)
        await slack.settled()
        await ann.deletes(question)
        await bot.ear.until(lambda: bot.ear.heard[-1].withdrawn)
        assert bot.ear.heard[-1].edits == question.ts


async def test_files_are_heard_and_can_be_fetched(slack: SlackSimulator, ann: Person, way: Any) -> None:
    async with way(slack) as bot:
        await ann.uploads(
            slack.dm(ann), File(b"%PDF-1.7 plan", "plan.pdf", "application/pdf"), text="read this"
        )
        await ann.speaks(slack.dm(ann), b"sound", "video/webm")
        await bot.ear.hears(2)
        found = {message.text: message.attachments[0] for message in bot.ear.heard}
        assert (found["read this"].kind, found["read this"].name) == ("file", "plan.pdf")
        assert (found[""].kind, found[""].mime, found[""].duration) == ("audio", "audio/webm", 3.0)
        assert await bot.adapter.fetch(found["read this"]) == b"%PDF-1.7 plan"
        assert await bot.adapter.fetch(found[""]) == b"sound"


async def test_a_file_that_is_not_there_is_gone(slack: SlackSimulator, ann: Person) -> None:
    async with running(slack) as bot:
        await ann.uploads(slack.dm(ann), File(b"x", "x.txt", "text/plain"))
        await bot.ear.hears(1)
        (attachment,) = bot.ear.heard[0].attachments
        slack.team.scopes.discard("files:read")
        with pytest.raises(Gone):
            await bot.adapter.fetch(attachment)
        slack.team.scopes.add("files:read")
        slack.fail(10, 503, "", method="files.info")
        with pytest.raises(Unavailable):
            await bot.adapter.fetch(attachment)


async def test_a_forwarded_message_is_quoted(slack: SlackSimulator, ann: Person, bob: Person) -> None:
    general = slack.channel("general", [ann, bob])
    async with running(slack) as bot:
        said = await bob.says(general, f"ask {ann.mention} &c")
        await ann.shares(slack.dm(ann), said, "what does he mean?")
        await bot.ear.hears(1)
        quoted = bot.ear.meant[0].quoted
        assert quoted is not None
        assert (quoted.author, quoted.text, quoted.ours) == ("Bob", "ask @Ann &c", False)


async def test_words_below_a_picture_of_ours_are_about_it_and_those_after_them_are_not(
    slack: SlackSimulator, ann: Person
) -> None:
    general = slack.channel("general", [ann])
    async with running(slack) as bot:
        place = Place("slack", slack.team.id, general.id, "", "group")
        asked = Incoming("slash:1", place, api.Person(ann.id), "/image a fox", addressed="command")
        reply = bot.adapter.reply(asked, MemoryJournal())
        for part in (Media("image", "image/png", PNG, "a fox"), End()):
            await reply.send(part)
        picture = next(message for message in slack.dm(ann).messages if message.files)
        for number, text in enumerate(("make it brighter", "and darker?"), 1):
            await ann.says(slack.dm(ann), text, thread=picture)
            await bot.ear.hears(number)
        await ann.shares(slack.dm(ann), picture, "make it rounder")
        await bot.ear.hears(3)
        below, after, forwarded = (message.quoted for message in bot.ear.heard)
        assert after is None
        for quoted in (below, forwarded):
            assert quoted is not None
            assert (quoted.ours, [a.kind for a in quoted.attachments]) == (True, ["image"])
            assert await bot.adapter.fetch(quoted.attachments[0]) == PNG
        calls = [call.method for call in slack.calls if call.method == "conversations.replies"]
        assert len(calls) == 1


async def test_the_native_stop_button_is_heard_as_the_command(
    slack: SlackSimulator, ann: Person, way: Any
) -> None:
    async with way(slack) as bot:
        question = await ann.says(slack.dm(ann), "hello")
        await bot.ear.hears(1)
        question.thread.session.status = "processing"
        await ann.stops(question.thread)
        await bot.ear.hears(2)
        assert bot.ear.texts == ["hello", "/stop"]
        assert bot.ear.heard[1].place == bot.ear.heard[0].place


# --- other bots, other companies -----------------------------------------------------------------------------


async def test_other_bots_are_not_heard_unless_they_are_allowed(slack: SlackSimulator, ann: Person) -> None:
    robot = slack.robot()
    alerts = slack.channel("alerts", [ann, robot])
    async with running(slack) as bot:
        await robot.says(alerts, f"{slack.mention} the build is broken")
        await slack.settled()
        assert bot.ear.tried == []
    async with running(slack, SLACK_BOTS=robot.bot_id) as bot:
        await robot.says(alerts, f"{slack.mention} the build is broken")
        await bot.ear.hears(1)


async def test_two_bots_do_not_talk_for_ever(slack: SlackSimulator) -> None:
    robot = slack.robot()
    alerts = slack.channel("alerts", [robot])
    async with running(slack, SLACK_BOTS=robot.bot_id) as bot:
        question = await robot.says(alerts, f"{slack.mention} hello")
        await slack.settled()
        for number in range(20):
            await robot.says(alerts, f"and {number}", thread=question)
            await slack.settled()
        assert len(bot.ear.texts) == 10


async def test_somebody_of_another_company_is_heard_in_a_shared_channel(
    slack: SlackSimulator, ann: Person
) -> None:
    cleo = slack.person("Cleo", team=slack.add_team("Globex", installed=False))
    shared = slack.channel("shared", [ann, cleo])
    async with running(slack) as bot:
        await cleo.says(shared, f"{slack.mention} hello")
        await bot.ear.hears(1)
        (message,) = bot.ear.heard
        assert (message.place.account, message.person.id) == (slack.team.id, cleo.id)
        await slack.settled()


# --- coming and going ----------------------------------------------------------------------------------------


async def test_it_says_hello_once_when_it_is_added_to_a_channel(
    slack: SlackSimulator, ann: Person, bob: Person, way: Any
) -> None:
    general = slack.channel("general", [ann, bob], bot=False)
    async with way(slack):
        await bob.invites(general)
        await general.shows("Mention me")
        slack.deliveries.again(slack.deliveries.of("member_joined_channel")[0])
        await slack.settled()
        await general.says_nothing()
        assert len(general.visible()) == 1


async def test_a_mention_is_heard_where_the_bot_is_no_member(slack: SlackSimulator, ann: Person) -> None:
    general = slack.channel("general", [ann], bot=False)
    async with running(slack) as bot:
        await ann.says(general, f"{slack.mention} hello")
        await bot.ear.hears(1)
        await slack.settled()
        assert [delivery.name for delivery in slack.deliveries] == ["app_mention"]
