"""Shortcuts, forms, the controls of the Home tab, the agent view, and leaving a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from adapters.slack.agent import entitle, titled
from adapters.slack.client import Clients
from adapters.slack.shortcuts import translation
from bot.api import (
    Attachment,
    Choices,
    End,
    Gone,
    Incoming,
    Notice,
    Option,
    Overview,
    Person,
    Place,
    Quoted,
    Setting,
    Text,
    Unavailable,
)
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.adapters.slack.desks import replica
from tests.adapters.slack.running import Ear, Running, running
from tests.simulators.slack import Clock, File, SlackSimulator, slack_simulator
from tests.simulators.slack import Person as SlackPerson

ROLE = Setting(
    "role",
    "Role",
    (Option("🙂 Assistant", "/role assistant"), Option("🍳 Chef", "/role chef")),
    "/role assistant",
)


async def overview(place: Place, person: Person) -> Overview:
    """A double of `Host.overview`."""
    return Overview((ROLE,), (f"{person.name} used 1,200 tokens today.",))


@pytest.fixture
async def slack() -> AsyncIterator[SlackSimulator]:
    async with slack_simulator() as simulator:
        yield simulator


@pytest.fixture
async def bot(slack: SlackSimulator) -> AsyncIterator[Running]:
    async with running(slack, overview=overview) as bot:
        yield bot


async def answer(bot: Running, message: Incoming, *parts: Text | Notice | Choices) -> None:
    reply = bot.adapter.reply(message, MemoryJournal())
    for part in (*parts, End()):
        await reply.send(part)


# --- shortcuts -----------------------------------------------------------------------------------------------


async def test_a_thread_is_summarised_in_the_thread(slack: SlackSimulator, bot: Running) -> None:
    ann, bob = slack.person("Ann"), slack.person("Bob")
    general = slack.channel("general", [ann, bob])
    first = await bob.says(general, f"Lunch, {ann.mention}?")
    second = await ann.says(general, "Yes, at <https://example.com|noon>", thread=first)
    assert await (await ann.shortcut(second, "summarise")).answered() is None
    [message] = bot.ear.meant
    assert message.text.startswith("Summarise this thread.")
    assert message.place == Place("slack", slack.team.id, general.id, first.ts, "group", discussion=True)
    assert message.quoted is not None
    assert message.quoted.author == "Ann"
    assert first.thread.visible() == [f"*Ann asks:* {message.text}"]


async def test_the_whole_thread_is_read_for_a_summary(slack: SlackSimulator, bot: Running) -> None:
    ann, bob = slack.person("Ann"), slack.person("Bob")
    general = slack.channel("general", [ann, bob])
    first = await bob.says(general, "Lunch?")
    await ann.says(general, "Yes.", thread=first)
    await (await ann.shortcut(first, "summarise")).answered()
    said = await bot.adapter.earlier(bot.ear.meant[0])
    assert [(one.author, one.text) for one in said] == [("Bob", "Lunch?"), ("Ann", "Yes.")]


async def test_a_message_is_translated_into_the_persons_language(slack: SlackSimulator, bot: Running) -> None:
    ann, bob = slack.person("Ann", locale="zh-TW"), slack.person("Bob")
    general = slack.channel("general", [ann, bob])
    said = await bob.says(general, f"Good morning, {ann.mention} & all")
    await (await ann.shortcut(said, "translate")).answered()
    [message] = bot.ear.meant
    assert message.text == "把這則訊息翻譯成繁體中文。"
    assert message.quoted == Quoted("Good morning, @Ann & all", "Bob")
    assert message.place.thread == said.ts


@pytest.mark.parametrize(
    ("language", "request_"),
    [
        ("de-DE", "Translate this message into German."),
        ("en-GB", "Translate this message into English."),
        ("", "Translate this message into English."),
        ("eo", "Translate this message into eo."),
        ("zh-CN", "把这条消息翻译成简体中文。"),
    ],
)
def test_translations_go_into_any_language(language: str, request_: str) -> None:
    assert translation(language) == request_


async def test_what_came_with_the_message_comes_with_the_question(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person("Ann")
    general = slack.channel("general", [ann])
    shared = await ann.uploads(general, File(b"\x89PNG", "plan.png", "image/png"))
    await (await ann.shortcut(shared, "summarise")).answered()
    quoted = bot.ear.meant[0].quoted
    assert quoted is not None
    assert isinstance(quoted.attachments[0], Attachment)
    assert (quoted.attachments[0].kind, quoted.attachments[0].name) == ("image", "plan.png")


async def test_a_question_about_a_message_is_asked_in_a_form(slack: SlackSimulator, bot: Running) -> None:
    ann, bob = slack.person("Ann"), slack.person("Bob")
    general = slack.channel("general", [ann, bob])
    said = await bob.says(general, "E = mc²")
    await (await ann.shortcut(said, "ask")).answered()
    assert ann.modal is not None
    assert ann.modal.title == "Ask about this"
    assert await (await ann.submits({"question": "What is c?"})).answered() is None
    assert ann.modal is None
    [message] = bot.ear.meant
    assert (message.text, message.quoted) == ("What is c?", Quoted("E = mc²", "Bob"))
    assert message.place.thread == said.ts
    assert said.thread.visible() == ["*Ann asks:* What is c?"]


async def test_where_the_bot_is_not_the_person_alone_learns_how_to_invite_it(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person("Ann")
    elsewhere = slack.channel("elsewhere", [ann], bot=False)
    said = await ann.says(elsewhere, "Hello")
    await (await ann.shortcut(said, "translate")).answered()
    await ann.sees(elsewhere, "/invite")
    assert bot.ear.heard == []


async def test_after_the_invitation_the_form_is_sent_again_as_it_was_written(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person("Ann")
    elsewhere = slack.channel("elsewhere", [ann], bot=False)
    said = await ann.says(elsewhere, "Hello")
    await (await ann.shortcut(said, "ask")).answered()
    await (await ann.submits({"question": "Who?"})).answered()
    assert ann.modal is not None
    assert "/invite" in ann.modal.errors["question"]
    await ann.invites(elsewhere)
    await (await ann.submits()).answered()
    assert bot.ear.texts == ["Who?"]


async def test_a_form_that_opens_too_late_is_answered_in_words() -> None:
    clock = Clock()
    async with slack_simulator(clock=clock) as slack, running(slack) as bot:
        ann = slack.person("Ann")
        for member in (True, False):
            place = slack.channel("place", [ann], bot=member)
            said = await ann.says(place, "Hello")
            slack.refuse("views.open", "expired_trigger_id")
            await (await ann.shortcut(said, "ask")).answered()
            await ann.sees(place, "Please try once more.")
        assert bot.ear.meant == []


async def test_a_form_from_long_ago_says_so(slack: SlackSimulator) -> None:
    store = MemoryStore()
    async with running(slack, store=store) as bot:
        ann = slack.person("Ann")
        said = await ann.says(slack.channel("general", [ann]), "Hello")
        interaction = await ann.shortcut(said, "ask")
        await interaction.answered()
        await store.drop(f"about:{interaction.trigger_id}")
        await (await ann.submits({"question": "Who?"})).answered()
        assert ann.modal is not None
        assert "This form is too old." in ann.modal.shown
        assert bot.ear.meant == []


async def test_nobody_sends_somebody_elses_form(slack: SlackSimulator, bot: Running) -> None:
    ann, eve = slack.person("Ann"), slack.person("Eve")
    general = slack.channel("general", [ann, eve])
    said = await ann.says(general, "Hello")
    await (await ann.shortcut(said, "ask")).answered()
    assert ann.modal is not None
    await (await eve.submits({"question": "Mine?"}, ann.modal)).answered()
    assert "This form belongs to somebody else." in ann.modal.shown
    assert bot.ear.meant == []


async def test_an_empty_question_is_refused_below_its_field(slack: SlackSimulator, bot: Running) -> None:
    ann = slack.person("Ann")
    said = await ann.says(slack.channel("general", [ann]), "Hello")
    await (await ann.shortcut(said, "ask")).answered()
    await (await ann.submits({"question": "   "})).answered()
    assert ann.modal is not None
    assert ann.modal.errors == {"question": "Please write a question."}
    assert bot.ear.meant == []


async def test_a_form_is_kept_open_while_nothing_is_accepted(slack: SlackSimulator) -> None:
    async with running(slack, ear=Ear(Unavailable("away"))):
        ann = slack.person("Ann")
        said = await ann.says(slack.channel("general", [ann]), "Hello")
        await (await ann.shortcut(said, "ask")).answered()
        sent = await ann.submits({"question": "Who?"})
        with pytest.raises(AssertionError):
            await sent.answered(within=0.3)
        assert ann.modal is not None


async def test_an_unknown_shortcut_is_acknowledged_and_does_nothing(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person("Ann")
    said = await ann.says(slack.channel("general", [ann]), "Hello")
    await (await ann.shortcut(said, "another")).answered()
    await (await ann.global_shortcut("summarise")).answered()
    assert bot.ear.meant == []


# --- the Home tab --------------------------------------------------------------------------------------------


async def at_home(ann: SlackPerson, words: str = "Your choices") -> None:
    await ann.opens_home()
    await ann.sees_view(words)


async def test_the_home_tab_shows_the_persons_choices_and_usage(slack: SlackSimulator, bot: Running) -> None:
    ann = slack.person("Ann")
    await at_home(ann, "Ann used 1,200 tokens today.")
    assert ann.home is not None
    assert ann.home.options("home:set:role") == ["🙂 Assistant", "🍳 Chef"]


async def test_a_choice_is_a_command_outside_of_all_threads(slack: SlackSimulator, bot: Running) -> None:
    ann = slack.person("Ann")
    await at_home(ann)
    assert ann.home is not None
    await (await ann.selects(ann.home, "home:set:role", "🍳 Chef")).answered()
    [message] = bot.ear.meant
    assert (message.text, message.addressed) == ("/role chef", "command")
    assert message.place == Place("slack", slack.team.id, slack.dm(ann).id, "", "private")


async def test_the_answer_of_a_choice_stands_on_the_tab_and_is_no_message(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person("Ann")
    await at_home(ann)
    assert ann.home is not None
    await (await ann.selects(ann.home, "home:set:role", "🍳 Chef")).answered()
    notice = Notice("role.set", text="You talk to the chef now.")
    await answer(bot, bot.ear.meant[0], notice, Choices("Begin anew?", (Option("Yes", "/new"),)))
    assert "You talk to the chef now.\nBegin anew?" in ann.home.shown
    assert slack.dm(ann).messages == []
    await (await ann.presses(ann.home, "Yes")).answered()
    assert bot.ear.texts == ["/role chef", "/new"]


async def test_an_abandoned_answer_changes_nothing_on_the_tab(slack: SlackSimulator, bot: Running) -> None:
    ann = slack.person("Ann")
    message = Incoming(
        "home:1", Place("slack", slack.team.id, slack.dm(ann).id), Person(ann.id), "/role chef"
    )
    reply = bot.adapter.reply(message, MemoryJournal())
    await reply.send(Text("half"))
    await reply.abandon()
    await reply.send(End())
    assert ann.home is None


async def test_the_direct_messages_are_found_by_another_process_too(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person("Ann")
    await at_home(ann)
    assert ann.home is not None
    async with running(slack, overview=overview) as other:
        await bot.stop()
        await (await ann.selects(ann.home, "home:set:role", "🍳 Chef")).answered()
        assert other.ear.meant[0].place.chat == slack.dm(ann).id
    assert len(slack.called("conversations.open")) == 1


async def test_while_the_core_knows_nothing_the_tab_says_so(slack: SlackSimulator) -> None:
    async def away(place: Place, person: Person) -> Overview:
        raise Unavailable("away")

    async with running(slack, overview=away):
        await at_home(slack.person("Ann"), "Your choices cannot be shown just now.")


async def test_a_stranger_sees_how_to_get_access(slack: SlackSimulator) -> None:
    async def nobody(place: Place, person: Person) -> bool:
        return False

    async with running(slack, admits=nobody, overview=overview):
        ann = slack.person("Ann")
        await at_home(ann, "You cannot use this bot yet.")
        assert ann.home is not None
        assert "tokens" not in ann.home.shown


async def test_a_role_is_defined_in_a_form(slack: SlackSimulator, bot: Running) -> None:
    ann = slack.person("Ann")
    await at_home(ann)
    assert ann.home is not None
    await (await ann.presses(ann.home, "Define a role")).answered()
    sent = await ann.submits({"name": "Fox", "emoji": "🦊", "prompt": "Be sly.\nBe brief."})
    assert await sent.answered() is None
    assert ann.modal is None
    [message] = bot.ear.meant
    assert message.text == "/role new 🦊 Fox: Be sly.\nBe brief."
    assert message.place == Place("slack", slack.team.id, slack.dm(ann).id, "", "private")
    await answer(bot, message, Notice("role.made", text="Fox is there."))
    assert "Fox is there." in ann.home.shown


async def test_a_role_without_a_proper_name_is_refused_in_the_form(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person("Ann")
    await at_home(ann)
    assert ann.home is not None
    await (await ann.presses(ann.home, "Define a role")).answered()
    await (await ann.submits({"name": " : ", "prompt": "Be sly."})).answered()
    assert ann.modal is not None
    assert ann.modal.errors == {"name": "Please leave colons and line breaks out of the name."}
    assert bot.ear.meant == []


async def test_nobody_defines_a_role_in_somebody_elses_form(slack: SlackSimulator, bot: Running) -> None:
    ann, eve = slack.person("Ann"), slack.person("Eve")
    await at_home(ann)
    assert ann.home is not None
    await (await ann.presses(ann.home, "Define a role")).answered()
    assert ann.modal is not None
    await (await eve.submits({"name": "Fox", "prompt": "Be sly."}, ann.modal)).answered()
    assert "This form belongs to somebody else." in ann.modal.shown
    assert bot.ear.meant == []


async def test_a_role_that_cannot_be_handed_in_is_said_in_the_forms_place(slack: SlackSimulator) -> None:
    store = MemoryStore()
    async with running(slack, store=store, overview=overview) as bot:
        ann = slack.person("Ann", locale="zh-CN")
        await at_home(ann, "您的选择")
        assert ann.home is not None
        await (await ann.presses(ann.home, "home:role")).answered()
        await store.drop(f"dm:{slack.team.id}:{ann.id}")
        slack.team.scopes -= {"im:write", "mpim:write"}
        await (await ann.submits({"name": "Fox", "prompt": "Be sly."})).answered()
        assert ann.modal is not None
        assert "我暂时无法联系" in ann.modal.shown
        assert bot.ear.meant == []


async def test_a_form_that_nobody_knows_is_closed(slack: SlackSimulator, bot: Running) -> None:
    async with replica(bot) as desk:
        payload = {"team": {"id": slack.team.id}, "user": {"id": "U1"}, "view": {"callback_id": "strange"}}
        assert await desk.view(payload) is None


async def test_a_form_that_cannot_open_any_more_says_so_on_the_tab(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person("Ann")
    await at_home(ann)
    assert ann.home is not None
    slack.refuse("views.open", "expired_trigger_id")
    await (await ann.presses(ann.home, "Define a role")).answered()
    assert "Please try once more." in ann.home.shown


async def test_the_tab_speaks_the_language_that_was_chosen_on_it(slack: SlackSimulator) -> None:
    async def chosen(place: Place, person: Person) -> Overview:
        options = (Option("English", "/lang en"), Option("繁體中文", "/lang zh-Hant"))
        return Overview((Setting("language", "語言", options, "/lang zh-Hant"),))

    async with running(slack, overview=chosen):
        await at_home(slack.person("Ann", locale="en-US"), "您的選擇")


async def test_a_choice_that_cannot_be_made_is_said_on_the_tab(slack: SlackSimulator) -> None:
    store = MemoryStore()
    async with running(slack, store=store, overview=overview) as bot:
        ann = slack.person("Ann")
        await at_home(ann)
        assert ann.home is not None
        await store.drop(f"dm:{slack.team.id}:{ann.id}")
        slack.team.scopes -= {"im:write", "mpim:write"}
        await (await ann.selects(ann.home, "home:set:role", "🍳 Chef")).answered()
        assert "I cannot be reached just now." in ann.home.shown
        assert bot.ear.meant == []


async def test_the_answer_of_a_command_ends_where_slack_takes_no_tab(
    slack: SlackSimulator, bot: Running
) -> None:
    slack.home_tab = False
    ann = slack.person("Ann")
    message = Incoming(
        "home:1", Place("slack", slack.team.id, slack.dm(ann).id), Person(ann.id), "/role chef"
    )
    with pytest.raises(Gone):
        await answer(bot, message, Notice("role.set", text="Done."))


async def test_a_tab_that_slack_does_not_take_is_no_reason_to_stop(
    slack: SlackSimulator, bot: Running
) -> None:
    slack.home_tab = False
    ann = slack.person("Ann")
    await ann.opens_home()
    await slack.until(lambda: "not_enabled" in slack.refused("views.publish"))
    await ann.says(slack.dm(ann), "Hello")
    await bot.ear.hears(1)


# --- the agent view ------------------------------------------------------------------------------------------


async def test_who_opens_the_messages_is_suggested_questions_once(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person("Ann", locale="zh-CN")
    dm = slack.dm(ann)
    await ann.opens_messages()
    await slack.until(lambda: dm.prompts)
    await ann.opens_messages()
    await slack.settled()
    assert len(dm.prompts) == 1
    assert dm.prompts[0]["title"] == "我能帮您做什么？"
    assert len(dm.prompts[0]["prompts"]) == 4
    assert "thread_ts" not in slack.called("assistant.threads.setSuggestedPrompts")[0]


async def test_without_the_right_to_suggest_it_is_asked_for_once(slack: SlackSimulator, bot: Running) -> None:
    slack.team.scopes.discard("assistant:write")
    for name in ("Ann", "Bob"):
        await slack.person(name).opens_messages()
        await slack.settled()
        await slack.until(lambda: slack.refused("assistant.threads.setSuggestedPrompts"))
    assert slack.refused("assistant.threads.setSuggestedPrompts") == ["missing_scope"]


async def test_a_session_is_called_after_its_first_question(slack: SlackSimulator, bot: Running) -> None:
    ann = slack.person("Ann")
    question = await ann.says(slack.dm(ann), "Why is the sky blue?\nPlease explain.")
    await bot.ear.hears(1)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:  # the answer begins, and with it the session
            slack.agents.set(question.thread, "processing")

    clients = Clients(bot.adapter.credentials, None, sleep=sleep)
    try:
        await entitle(await clients.of(slack.team.id), bot.ear.meant[0])
    finally:
        await clients.close()
    assert question.thread.session.title == "Why is the sky blue? Please explain."
    assert pauses == [1.0, 3.0]


async def test_a_session_that_never_begins_has_no_title(slack: SlackSimulator, bot: Running) -> None:
    ann = slack.person("Ann")
    await ann.says(slack.dm(ann), "Why?")
    await bot.ear.hears(1)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    clients = Clients(bot.adapter.credentials, None, sleep=sleep)
    try:
        client = await clients.of(slack.team.id)
        await entitle(client, bot.ear.meant[0])
        assert client.allows("title")
    finally:
        await clients.close()
    assert pauses == [1.0, 3.0, 9.0]


async def test_an_app_without_sessions_names_the_thread(slack: SlackSimulator, bot: Running) -> None:
    slack.agent = False
    ann = slack.person("Ann")
    question = await ann.says(slack.dm(ann), "Why?")
    await slack.until(lambda: question.thread.session.title == "Why?")


async def test_an_app_that_may_name_nothing_is_not_asked_again(slack: SlackSimulator, bot: Running) -> None:
    slack.agent = False
    slack.team.scopes.discard("assistant:write")
    ann = slack.person("Ann")
    await ann.says(slack.dm(ann), "Why?")
    await slack.until(lambda: slack.refused("assistant.threads.setTitle"))
    await ann.says(slack.dm(ann), "And why?")
    await bot.ear.hears(2)
    await bot.adapter.close()  # it waits for what is under way
    assert slack.refused("agents.sessions.rename") == ["feature_disabled"]


@pytest.mark.parametrize("method", ["assistant.threads.setSuggestedPrompts", "agents.sessions.rename"])
async def test_what_slack_cannot_take_now_is_left_out(
    slack: SlackSimulator, bot: Running, method: str
) -> None:
    slack.fail(times=5, status=500, method=method)
    ann = slack.person("Ann")
    await ann.opens_messages()
    await ann.says(slack.dm(ann), "Why?")
    await bot.ear.hears(1)
    await slack.until(lambda: any(call.method == method for call in slack.calls))
    await slack.settled()


async def test_a_shortcut_in_a_workspace_that_has_removed_the_app_does_nothing(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person("Ann")
    said = await ann.says(slack.channel("general", [ann], bot=False), "Hello")
    slack.team.revoke()
    await (await ann.shortcut(said, "ask")).answered()
    assert bot.ear.meant == []


def test_a_title_is_short_and_of_whole_words() -> None:
    assert titled(" Why\n is  it? ") == "Why is it?"
    assert titled("word " * 40) == "word " * 15 + "word…"
    assert len(titled("字" * 300)) == 80
    assert titled(" \n") == ""


# --- threads -------------------------------------------------------------------------------------------------


async def test_who_calls_the_bot_into_a_thread_may_send_it_away_by_a_button(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person("Ann")
    general = slack.channel("general", [ann])
    question = await ann.says(general, f"{slack.mention} Why?")
    notice = await ann.sees(general, "I answer every message in this thread from now on.")
    await (await ann.presses(notice, "Leave this thread")).answered()
    await ann.sees(general, "I have left this thread.")
    await ann.says(general, "To everybody", thread=question)
    await ann.says(general, f"{slack.mention} again", thread=question)
    await bot.ear.hears(2)
    assert bot.ear.texts == ["Why?", "again"]


async def test_it_is_told_once_in_a_channel_and_never_in_direct_messages(
    slack: SlackSimulator, bot: Running
) -> None:
    ann = slack.person("Ann")
    general = slack.channel("general", [ann])
    for _ in range(3):
        await ann.says(general, f"{slack.mention} Why?")
    await ann.says(slack.dm(ann), "Why?")
    await bot.ear.hears(4)
    await ann.sees(general, "from now on")
    await slack.settled()
    await asyncio.sleep(0)
    assert len(ann.whispers(general)) == 1
    assert ann.whispers(slack.dm(ann)) == []


async def test_a_control_that_nobody_knows_is_none_of_the_desks(slack: SlackSimulator, bot: Running) -> None:
    async with replica(bot) as desk:
        assert await desk.action({"actions": [{"action_id": "strange"}]}) is False
        assert await desk.action({}) is False
