"""What the real Bot API refuses, the simulator refuses in the same words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.simulators.telegram import Chat, Person, TelegramSimulator, telegram_simulator
from tests.simulators.telegram.schema import Refused
from tests.simulators.telegram.text import cut, detected, formatted


@pytest.fixture
async def server() -> AsyncIterator[TelegramSimulator]:
    async with telegram_simulator() as simulator:
        yield simulator


@pytest.fixture
def ann(server: TelegramSimulator) -> Person:
    return server.person(1, "Ann")


@pytest.fixture
def chat(server: TelegramSimulator, ann: Person) -> Chat:
    return server.private(ann)


async def _ask(server: TelegramSimulator, method: str, **given: Any) -> dict[str, Any]:
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{server.api_url}{server.token}/{method}", json=given)
    body: dict[str, Any] = answer.json()
    assert answer.status_code == (200 if body["ok"] else body["error_code"])
    return body


def _keys(**button: Any) -> dict[str, Any]:
    return {"inline_keyboard": [[{"text": "Go", **button}]]}


def _bold(offset: int, length: int) -> list[dict[str, Any]]:
    return [{"type": "bold", "offset": offset, "length": length}]


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("sendMessage", {"text": "x"}, "chat_id is empty"),
    ("sendMessage", {"chat_id": 1}, "message text is empty"),
    ("sendMessage", {"chat_id": 1, "text": " \n "}, "message text is empty"),
    ("sendMessage", {"chat_id": 99, "text": "x"}, "chat not found"),
    ("sendMessage", {"chat_id": 1, "text": "x" * 4097}, "message is too long"),
    (
        "sendMessage",
        {"chat_id": 1, "text": 5},
        "can't parse text of sendMessage: Input should be a valid string",
    ),
    ("sendMessage", {"chat_id": 1, "text": "x", "txet": 1}, "unknown parameter 'txet' of sendMessage"),
    (
        "sendMessage",
        {"chat_id": 1, "text": "x", "reply_parameters": {"message_id": 77}},
        "message to be replied not found",
    ),
    ("sendMessage", {"chat_id": 1, "text": "x", "message_thread_id": 3}, "message thread not found"),
    ("sendMessage", {"chat_id": 1, "text": "x", "parse_mode": "Word"}, "unsupported parse_mode"),
    (
        "sendMessage",
        {"chat_id": 1, "text": "x", "parse_mode": "HTML", "entities": _bold(0, 1)},
        "can't use both parse_mode and entities",
    ),
    (
        "sendMessage",
        {"chat_id": 1, "text": "😀", "entities": _bold(0, 1)},
        "entity ends in a middle of a UTF-16 symbol at UTF-16 offset 1",
    ),
    (
        "sendMessage",
        {"chat_id": 1, "text": "ab", "entities": _bold(1, 2)},
        "entity ends after the end of the text at UTF-16 offset 3",
    ),
    ("sendMessage", {"chat_id": 1, "text": "ab", "entities": _bold(-1, 2)}, "entity has negative offset"),
    (
        "sendMessage",
        {"chat_id": 1, "text": "ab", "entities": [{"type": "loud", "offset": 0, "length": 1}]},
        "can't parse entities: unsupported entity type 'loud'",
    ),
    (
        "sendMessage",
        {"chat_id": 1, "text": "x", "reply_markup": _keys(callback_data="é" * 33)},
        "BUTTON_DATA_INVALID",
    ),
    (
        "sendMessage",
        {"chat_id": 1, "text": "x", "reply_markup": _keys(callback_data="")},
        "BUTTON_DATA_INVALID",
    ),
    (
        "sendMessage",
        {"chat_id": 1, "text": "x", "reply_markup": _keys()},
        "Text buttons are unallowed in the inline keyboard",
    ),
    ("editMessageText", {"chat_id": 1, "message_id": 77, "text": "x"}, "message to edit not found"),
    ("editMessageText", {"chat_id": 1, "text": "x"}, "message identifier is not specified"),
    ("deleteMessage", {"chat_id": 1, "message_id": 77}, "message to delete not found"),
    ("sendChatAction", {"chat_id": 1, "action": "dancing"}, "wrong parameter action in request"),
    ("sendMessageDraft", {"chat_id": 1, "draft_id": 0, "text": "x"}, "RANDOM_ID_INVALID"),
    ("setMyCommands", {"commands": [{"command": "Start", "description": "x"}]}, "BOT_COMMAND_INVALID"),
    (
        "setMyCommands",
        {"commands": [{"command": f"c{n}", "description": "x"} for n in range(101)]},
        "BOT_COMMANDS_TOO_MUCH",
    ),
    (
        "answerCallbackQuery",
        {"callback_query_id": "1"},
        "query is too old and response timeout expired or query ID is invalid",
    ),
    ("answerCallbackQuery", {"callback_query_id": "1", "text": "x" * 201}, "MESSAGE_TOO_LONG"),
    ("getFile", {"file_id": "x"}, "wrong file_id or the file is temporarily unavailable"),
    ("sendPhoto", {"chat_id": 1, "photo": "x"}, "wrong file identifier/HTTP URL specified"),
    ("sendPhoto", {"chat_id": 1, "photo": "x", "caption": "y" * 1025}, "message caption is too long"),
    (
        "sendMediaGroup",
        {"chat_id": 1, "media": [{"type": "photo", "media": "x"}]},
        "Too few messages to send as an album",
    ),
    ("setWebhook", {"url": "http://example.com/"}, "bad webhook: An HTTPS URL must be provided for webhook"),
    (
        "setWebhook",
        {"url": "https://example.com/", "secret_token": "ä"},
        "secret token contains unallowed characters",
    ),
    ("getUpdates", {"allowed_updates": ["messages"]}, "unknown allowed_updates ['messages']"),
    ("setMyDescription", {"description": "x" * 513}, "DESCRIPTION_TOO_LONG"),
]


@pytest.mark.parametrize(("method", "given", "reason"), REFUSED, ids=[f"{m}-{r[:40]}" for m, _, r in REFUSED])
async def test_a_wrong_request_is_refused_with_its_reason(
    server: TelegramSimulator, chat: Chat, method: str, given: dict[str, Any], reason: str
) -> None:
    assert await _ask(server, method, **given) == {
        "ok": False,
        "error_code": 400,
        "description": f"Bad Request: {reason}",
    }
    assert server.refused(method) == [f"Bad Request: {reason}"]
    assert chat.messages == []


async def test_limits_are_counted_as_telegram_counts_them(server: TelegramSimulator, chat: Chat) -> None:
    assert (await _ask(server, "sendMessage", chat_id=1, text="😀" * 4096))["ok"]
    data = _keys(callback_data="é" * 32)
    assert (await _ask(server, "sendMessage", chat_id="1", text="x", reply_markup=data))["ok"]


async def test_an_edit_must_change_something(server: TelegramSimulator, chat: Chat, ann: Person) -> None:
    sent = (await _ask(server, "sendMessage", chat_id=1, text="x", reply_markup=_keys(callback_data="a")))[
        "result"
    ]
    edit: dict[str, Any] = {"chat_id": 1, "message_id": sent["message_id"], "text": "x\n"}
    same = await _ask(server, "editMessageText", **edit, reply_markup=_keys(callback_data="a"))
    assert same["description"] == (
        "Bad Request: message is not modified: specified new message content and reply markup are exactly the "
        "same as a current content and reply markup of the message"
    )
    assert (await _ask(server, "editMessageText", **edit))["ok"]
    assert chat.last.reply_markup is None
    theirs = await ann.says(chat, "mine")
    answer = await _ask(server, "editMessageText", chat_id=1, message_id=theirs.id, text="y")
    assert answer["description"] == "Bad Request: message can't be edited"


async def test_media_has_a_caption_and_no_text(server: TelegramSimulator, chat: Chat, ann: Person) -> None:
    sent = await ann.sends_document(chat, b"abc")
    assert sent.media is not None
    id = (await _ask(server, "sendDocument", chat_id=1, document=sent.media.file.id, caption="a"))["result"][
        "message_id"
    ]
    text = await _ask(server, "editMessageText", chat_id=1, message_id=id, text="b")
    assert text["description"] == "Bad Request: there is no text in the message to edit"
    assert (await _ask(server, "editMessageCaption", chat_id=1, message_id=id, caption="b"))["ok"]
    assert chat.said == ["b"]


async def test_media_are_put_in_the_place_of_others_with_their_caption(
    server: TelegramSimulator, chat: Chat, ann: Person
) -> None:
    sent = await ann.sends_document(chat, b"abc")
    assert sent.media is not None
    media = {"type": "document", "media": sent.media.file.id, "caption": "b"}
    first = await _ask(server, "sendDocument", chat_id=1, document=sent.media.file.id, caption="a")
    id = first["result"]["message_id"]
    changed = await _ask(server, "editMessageMedia", chat_id=1, message_id=id, media=media)
    again = await _ask(server, "editMessageMedia", chat_id=1, message_id=id, media=media)
    strange = await _ask(server, "editMessageMedia", chat_id=1, message_id=id, media=media | {"title": "c"})
    theirs = await _ask(server, "editMessageMedia", chat_id=1, message_id=sent.id, media=media)
    missing = await _ask(server, "editMessageMedia", chat_id=1, message_id=77, media=media)
    lost = {"type": "document", "media": "attach://nothing"}
    absent = await _ask(server, "editMessageMedia", chat_id=1, message_id=id, media=lost)

    assert changed["result"]["caption"] == "b"
    assert "message is not modified" in again["description"]
    assert "unknown field media.title" in strange["description"]
    assert theirs["description"] == "Bad Request: message can't be edited"
    assert missing["description"] == "Bad Request: message to edit not found"
    assert absent["description"] == "Bad Request: file not found in the request"


async def test_a_large_file_cannot_be_fetched(server: TelegramSimulator, chat: Chat, ann: Person) -> None:
    sent = await ann.sends_document(chat, b"abc", size=20 * 1024 * 1024 + 1)
    assert sent.media is not None
    answer = await _ask(server, "getFile", file_id=sent.media.file.id)
    assert answer["description"] == "Bad Request: file is too big"


async def test_a_draft_is_for_private_chats_and_goes_when_the_message_comes(
    server: TelegramSimulator, chat: Chat, ann: Person
) -> None:
    group = server.group("Chess", [ann])
    refused = await _ask(server, "sendMessageDraft", chat_id=group.id, draft_id=5, text="x")
    assert refused["description"] == "Bad Request: TEXTDRAFT_PEER_INVALID"
    for text in ("", "so", "so far"):
        assert (await _ask(server, "sendMessageDraft", chat_id=1, draft_id=5, text=text))["ok"]
    assert chat.draft is not None
    assert chat.draft.text == "so far"
    assert chat.visible() == []
    await _ask(server, "sendMessage", chat_id=1, text="so far so good")
    assert chat.draft is None
    assert [draft.text for draft in chat.drafts] == ["", "so", "so far"]


async def test_rich_messages_are_unknown_until_the_server_is_new_enough(
    server: TelegramSimulator, chat: Chat
) -> None:
    rich = {"markdown": "# Good day"}
    assert (await _ask(server, "sendRichMessage", chat_id=1, rich_message=rich))["error_code"] == 404
    server.rich = True
    assert "text" not in (await _ask(server, "sendRichMessage", chat_id=1, rich_message=rich))["result"]
    assert (await _ask(server, "sendRichMessageDraft", chat_id=1, draft_id=1, rich_message=rich))["ok"]
    both = await _ask(server, "sendRichMessage", chat_id=1, rich_message=rich | {"html": "x"})
    assert not both["ok"]
    assert chat.said == ["# Good day"]


async def test_a_forum_has_topics_and_its_general_one_has_no_number(
    server: TelegramSimulator, ann: Person
) -> None:
    forum = server.group("Forum", [ann], forum=True)
    thread = await ann.opens_topic(forum, "Endgames")
    sent = await _ask(server, "sendMessage", chat_id=forum.id, text="x", message_thread_id=thread)
    assert sent["result"]["is_topic_message"]
    general = await _ask(server, "sendMessage", chat_id=forum.id, text="x", message_thread_id=1)
    assert general["description"] == "Bad Request: message thread not found"
    assert forum.visible(thread=thread) == ["", "x"]


async def test_commands_are_kept_by_scope_and_language(server: TelegramSimulator) -> None:
    named = [{"command": "start", "description": "Begin"}]
    scope = {"type": "all_private_chats"}
    assert (await _ask(server, "setMyCommands", commands=named, scope=scope, language_code="de"))["ok"]
    assert (await _ask(server, "getMyCommands", scope=scope, language_code="de"))["result"] == named
    assert (await _ask(server, "getMyCommands", scope=scope))["result"] == []
    assert server.commands["all_private_chats", "de"] == named


async def test_members_and_administrators_are_told(server: TelegramSimulator, ann: Person) -> None:
    bob = server.person(2, "Bob")
    group = server.group("Chess", [ann, bob])
    listed = await _ask(server, "getChatAdministrators", chat_id=group.id)
    assert [member["user"]["id"] for member in listed["result"]] == [1]
    member = await _ask(server, "getChatMember", chat_id=group.id, user_id=2)
    assert member["result"]["status"] == "member"
    assert (await _ask(server, "getChat", chat_id=group.id))["result"]["title"] == "Chess"


# --- text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "text", "plain", "marked"),
    [
        ("HTML", "a <b>b <i>c</i></b> &lt;", "a b c <", ["bold:b c", "italic:c"]),
        ("HTML", '<a href="https://a.b/">😀</a>!', "😀!", ["text_link:😀"]),
        ("HTML", '<pre><code class="language-py">x</code></pre>', "x", ["code:x", "pre:x"]),
        ("MarkdownV2", r"*b* _i_ `c` 1\.", "b i c 1.", ["bold:b", "italic:i", "code:c"]),
        ("MarkdownV2", "```py\nx = 1\n```", "x = 1", ["pre:x = 1"]),
        ("MarkdownV2", "😀[a](https://a.b/)", "😀a", ["text_link:a"]),
        ("Markdown", "*b* `c`", "b c", ["bold:b", "code:c"]),
    ],
)
def test_the_parse_modes_are_read(mode: str, text: str, plain: str, marked: list[str]) -> None:
    read, entities = formatted(text, None, mode)
    assert read == plain
    assert [f"{entity['type']}:{cut(read, entity)}" for entity in entities] == marked


@pytest.mark.parametrize(
    ("mode", "text", "reason"),
    [
        ("HTML", "<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("HTML", "<b><i>x</b></i>", "Unmatched end tag"),
        ("HTML", "a <details>", 'Unsupported start tag "details"'),
        ("HTML", "1 < 2", "Unexpected end of name token"),
        ("MarkdownV2", "1.", "Character '.' is reserved and must be escaped"),
        ("MarkdownV2", "*b", "Can't find end of Bold entity"),
        ("Markdown", "a*", "Can't find end of the entity starting at byte offset 1"),
    ],
)
def test_broken_markup_is_refused(mode: str, text: str, reason: str) -> None:
    with pytest.raises(Refused, match="can't parse entities: ") as refused:
        formatted(text, None, mode)
    assert reason in refused.value.description


def test_white_space_around_a_text_goes_and_its_entities_move() -> None:
    entities = [{"type": "bold", "offset": 2, "length": 3}]
    assert formatted("  ab \n", entities, None) == ("ab", [{"type": "bold", "offset": 0, "length": 2}])


def test_a_link_that_cannot_be_followed_is_dropped() -> None:
    link = {"type": "text_link", "offset": 0, "length": 1}
    assert formatted("a", [link | {"url": "javascript:alert(1)"}], None)[1] == []
    assert formatted("a", [link | {"url": "/relative"}], None)[1] == []
    assert len(formatted("a", [link | {"url": "https://example.com/a?b"}], None)[1]) == 1


def test_a_client_marks_commands_mentions_and_links() -> None:
    text = "😀 /help@parley_bot see https://a.b/c @anna not a/b or me@example.com"
    marked = [(entity["type"], cut(text, entity)) for entity in detected(text)]
    assert marked == [
        ("bot_command", "/help@parley_bot"),
        ("url", "https://a.b/c"),
        ("mention", "@anna"),
    ]
