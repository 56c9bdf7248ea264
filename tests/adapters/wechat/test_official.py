"""An Official Account beside its messages: media, tokens, the menu, and what `parley check` finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from adapters.wechat import WeChat, WeChatSettings
from adapters.wechat.official import FETCH_LIMIT
from adapters.wechat.official.menu import menu
from adapters.wechat.words import LANGUAGE, say
from bot.api import (
    Adapter,
    Attachment,
    End,
    Finding,
    Gone,
    Host,
    Incoming,
    Media,
    MenuEntry,
    Notice,
    Option,
    Person,
    Place,
    ReplyPart,
    Text,
    Unavailable,
)
from tests.adapters.memory_store import MemoryJournal, MemoryStore
from tests.adapters.wechat.conftest import Open, Scene
from tests.simulators.wechat import Account
from tests.simulators.wechat.replica import Answer

PNG = b"\x89PNG" + b"x" * 100


def saying(*parts: ReplyPart) -> Answer:
    return lambda message: (0.0, parts)


def shown(scene: Scene) -> list[tuple[str, str]]:
    return [(one.kind, one.value) for one in scene.ann.shown]


# --- what is said ------------------------------------------------------------------------------------------


async def test_markdown_is_plain_text(scene: Open) -> None:
    found = await scene(None, saying(Text("# Tea\n\n**Hot** water, "), Text("`leaves`:\n\n- green\n- black")))
    await found.ann.says("tea")
    assert found.ann.texts == ["Tea\n\nHot water, leaves:\n\n• green\n• black"]


async def test_the_bots_own_words_stand_apart(scene: Open) -> None:
    found = await scene(None, saying(Text("*one*"), Notice("x", text="*two*"), Text("*three*")))
    await found.ann.says("tea")
    assert found.ann.texts == ["one\n\n*two*\n\nthree"]


async def test_an_answer_that_was_cut_says_how_it_goes_on(scene: Open) -> None:
    found = await scene()
    found.ann.quota, found.ann.spoke = 5, found.wechat.clock.time()
    reply = found.replica.official.reply(_message(), MemoryJournal())
    await reply.send(Text("The beginning"))
    await reply.send(End(offers=(Option("重试", "/retry"), Option("继续", "/continue"))))
    assert found.ann.texts == ["The beginning\n\n继续：发送 /continue"]


@pytest.mark.parametrize(
    ("media", "kind"),
    [
        (Media("image", "image/png", PNG), "image"),
        (Media("image", "image/jpeg", b"\xff\xd8x"), "image"),
        (Media("image", "image/gif", b"GIF89a"), "image"),
        (Media("audio", "audio/mpeg", b"ID3x"), "voice"),
        (Media("audio", "audio/amr", b"#!AMR\n" + (b"\x3c" + bytes(31)) * 50), "voice"),
    ],
)
async def test_images_and_recordings_are_media(scene: Open, media: Media, kind: str) -> None:
    found = await scene(Account(rights=False), saying(media))
    await found.ann.says("draw")
    ((got, media_id),) = shown(found)
    assert got == kind
    assert found.wechat.account.media[media_id] == (media.mime, media.data)


async def test_a_caption_and_an_image_come_in_order_by_customer_service(scene: Open) -> None:
    found = await scene(None, saying(Text("Here:"), Media("image", "image/png", PNG, "A cup")))
    await found.ann.says("draw")
    await found.ann.until(3)
    assert [(kind, way) for kind, way in ((one.kind, one.way) for one in found.ann.shown)] == [
        ("text", "service"),
        ("image", "service"),
        ("text", "service"),
    ]
    assert found.ann.texts == ["Here:", "A cup"]


@pytest.mark.parametrize(
    "media",
    [
        Media("image", "image/webp", b"RIFF"),
        Media("image", "image/png", b"x" * (2 * 1024 * 1024 + 1)),
        Media("audio", "audio/ogg", b"OggS"),
        Media("video", "video/mp4", b"x"),
        Media("file", "application/pdf", b"%PDF"),
    ],
)
async def test_what_wechat_cannot_take_is_said_in_a_sentence(scene: Open, media: Media) -> None:
    found = await scene(None, saying(replace(media, caption="A cup")))
    await found.ann.says("draw")
    assert found.ann.texts == [f"{say(LANGUAGE, f'media.{media.kind}')}\n\nA cup"]


async def test_a_file_of_text_is_said_because_no_file_can_be_sent(scene: Open) -> None:
    file = Media("file", "text/markdown", b"# A dialogue", "Two questions.", "dialogue.md")
    found = await scene(None, saying(file, replace(file, data=b"x" * 20_000)))
    await found.ann.says("export")
    refused = say(LANGUAGE, "media.file")
    assert found.ann.texts == [f"# A dialogue\n\nTwo questions.\n\n{refused}\n\nTwo questions."]


async def test_an_account_that_may_not_upload_says_so_in_a_sentence(scene: Open) -> None:
    found = await scene(Account(media_right=False), saying(Media("image", "image/png", PNG)))
    await found.ann.says("draw")
    assert found.ann.texts == [say(LANGUAGE, "media.image")]


async def test_a_second_attempt_does_not_say_it_again(scene: Open) -> None:
    found = await scene()
    journal = MemoryJournal()
    found.ann.quota, found.ann.spoke = 5, found.wechat.clock.time()
    for attempt in (1, 2):
        reply = found.replica.official.reply(_message(), MemoryJournal(attempt, journal.posts))
        await reply.send(Text("Once."))
        await reply.send(End())
    assert found.ann.texts == ["Once."]


async def test_a_wechat_that_is_away_is_asked_again_by_the_next_attempt(scene: Open) -> None:
    found = await scene()
    found.ann.quota, found.ann.spoke = 5, found.wechat.clock.time()
    await found.replica.official.reply(_message("0"), MemoryJournal()).send(End())
    found.wechat.fail(b"<html>", status=502, times=9)
    journal = MemoryJournal()
    reply = found.replica.official.reply(_message("1"), journal)
    await reply.send(Text("Once."))
    found.hall.store.values["rights:" + found.wechat.account.app_id] = "yes"  # type: ignore[attr-defined]
    with pytest.raises(Unavailable):
        await reply.send(End())
    found.wechat.heal()
    again = found.replica.official.reply(_message("1"), MemoryJournal(2, journal.posts))
    await again.send(Text("Once."))
    await again.send(End())
    assert found.ann.texts == ["Once."]


# --- attachments and tokens --------------------------------------------------------------------------------


async def test_an_image_that_was_sent_is_fetched(scene: Open) -> None:
    found = await scene()
    found.wechat.account.media["m1"] = ("image/jpeg", b"\xff\xd8x")
    await found.ann.sends_image("m1")
    ((attachment,),) = [message.attachments for message in found.hall.heard]
    assert await found.replica.official.fetch(attachment) == b"\xff\xd8x"


async def test_what_is_gone_or_too_large_cannot_be_fetched(scene: Open) -> None:
    found = await scene()
    found.wechat.account.media["big"] = ("video/mp4", b"x" * (FETCH_LIMIT + 1))
    for ref in ("oa:none", "oa:big"):
        with pytest.raises(Gone):
            await found.replica.official.fetch(Attachment("video", ref))


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_token_that_is_not_good_any_more_is_replaced_once(scene: Open, replaced: bool) -> None:
    found = await scene()
    await found.ann.says("20 tea")
    found.wechat.interface.expire(replaced=replaced)
    await found.ann.says("20 milk")
    await found.ann.until(2)
    assert found.wechat.interface.granted == 2
    assert found.ann.texts == ["All about tea.", "All about milk."]


# --- for the operator --------------------------------------------------------------------------------------


async def test_the_menu_is_published_with_the_commands_that_are_known(scene: Open) -> None:
    found = await scene()
    found.replica.official.know([MenuEntry(name, {"en": "…"}) for name in ("help", "new", "role", "model")])
    said: list[str] = []
    assert await found.replica.official.use("menu", said.append) == 0
    assert found.wechat.account.menu is not None
    keys = [below["key"] for button in menu(())["button"] for below in button["sub_button"]]
    published = [b["key"] for one in found.wechat.account.menu["button"] for b in one["sub_button"]]  # type: ignore[attr-defined, index]
    assert published == ["/new", "/role", "/model", "/help"]
    assert set(published) < set(keys)


async def test_a_whole_menu_is_within_wechats_limits(scene: Open) -> None:
    found = await scene()
    assert await found.replica.official.use("menu", lambda line: None) == 0


async def test_a_menu_that_is_not_allowed_is_said_in_plain_words(scene: Open) -> None:
    found = await scene(Account(menu_right=False))
    said: list[str] = []
    assert await found.replica.official.use("menu", said.append) == 1
    assert "verified account" in said[0]


def findings(found: Sequence[Finding]) -> dict[str, tuple[bool, str]]:
    return {finding.name: (finding.ok, f"{finding.detail} {finding.remedy}") for finding in found}


@pytest.mark.parametrize(
    ("rights", "words"), [(True, "up to five messages"), (False, "waits for the person's next message")]
)
async def test_the_check_says_how_slow_answers_come(scene: Open, rights: bool, words: str) -> None:
    found = await scene(Account(rights=rights))
    told = findings(await found.replica.official.check())
    assert all(ok for ok, _ in told.values())
    assert words in told["WeChat customer service"][1]
    assert found.ann.shown == []


async def test_the_check_names_the_address_that_has_to_be_listed(scene: Open) -> None:
    found = await scene(Account(listed=False))
    ok, words = findings(await found.replica.official.check())["WeChat IP list"]
    assert not ok
    assert "198.51.100.7" in words


async def test_the_check_names_the_setting_that_is_wrong(scene: Open) -> None:
    found = await scene()
    found.wechat.account.secret = "changed"
    assert findings(await found.replica.official.check())["WECHAT_APP_SECRET"][0] is False


async def test_the_check_says_that_wechat_does_not_answer(scene: Open) -> None:
    found = await scene()
    found.wechat.fail(b"<html>", status=502, times=9)
    assert findings(await found.replica.official.check())["WECHAT_API_BASE_URL"][0] is False


# --- settings ----------------------------------------------------------------------------------------------

SETTINGS = {"WECHAT_APP_ID": "wx1", "WECHAT_APP_SECRET": "s", "WECHAT_TOKEN": "t"}


def made(**settings: str) -> Adapter | None:
    return WeChat.create(WeChatSettings.load(settings), Host(MemoryStore(), "127.0.0.1", 0, "", alone=False))


def test_without_settings_there_is_no_wechat() -> None:
    assert made() is None
    assert made(**SETTINGS) is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WECHAT_APP_SECRET", ""),
        ("WECHAT_TOKEN", ""),
        ("WECHAT_APP_ID", ""),
        ("WECHAT_ENCODING_AES_KEY", "short"),
        ("WECHAT_API_BASE_URL", "api.weixin.qq.com"),
    ],
)
def test_a_setting_that_cannot_be_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        made(**SETTINGS | {name: value})


def test_a_message_of_a_line_that_is_gone_is_gone() -> None:
    adapter = made(**SETTINGS)
    assert adapter is not None
    with pytest.raises(Gone):
        adapter.reply(Incoming("1", Place("wechat", "else:x", "c"), Person("p")), MemoryJournal())


def _message(id: str = "m1") -> Incoming:
    return Incoming(id, Place("wechat", f"oa:{Account().app_id}", "oAnn"), Person("oAnn", language=LANGUAGE))
