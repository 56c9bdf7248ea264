"""What WeChat delivers, as what it means."""

from __future__ import annotations

import pytest
from wechatpy import parse_message

from adapters._envelope import Forged, read_xml
from adapters.wechat.official.parse import Heard, parse
from bot.api import Attachment, Incoming, Person, Place
from tests.simulators.wechat.delivering import written

APP, US, ANN = "wx1234567890abcdef", "gh_0123456789ab", "oAnn"
PLACE = Place("wechat", f"oa:{APP}", ANN)


def heard(**content: object) -> Heard | None:
    values = {"ToUserName": US, "FromUserName": ANN, "CreateTime": 1348831860, **content}
    return parse(read_xml(written(values).encode()), APP)


def incoming(**content: object) -> Incoming:
    found = heard(MsgId=6054768590064713728, **content)
    assert found is not None
    assert (found.us, found.greeting) == (US, False)
    return found.incoming


def test_a_text_has_its_id_its_place_and_its_time() -> None:
    person = Person(ANN, language="zh-CN")
    found = incoming(MsgType="text", Content=" this is a test ")
    assert found == Incoming("6054768590064713728", PLACE, person, " this is a test ", sent_at=1348831860.0)


def test_an_independent_peer_reads_the_same_text() -> None:
    values = {"ToUserName": US, "FromUserName": ANN, "CreateTime": 1, "MsgType": "text", "MsgId": 7}
    xml = written({**values, "Content": "你好 & <b>"})
    peer, ours = parse_message(xml), parse(read_xml(xml.encode()), APP)
    assert ours is not None
    assert (ours.incoming.text, ours.incoming.id, ours.incoming.person.id) == (
        peer.content,
        str(peer.id),
        peer.source,
    )


@pytest.mark.parametrize(
    ("content", "attachment"),
    [
        (
            {"MsgType": "image", "PicUrl": "http://x/0", "MediaId": "m"},
            Attachment("image", "oa:m", "image/jpeg"),
        ),
        (
            {"MsgType": "voice", "MediaId": "m", "Format": "amr", "Recognition": ""},
            Attachment("audio", "oa:m", "audio/amr", name="voice.amr"),
        ),
        (
            {"MsgType": "video", "MediaId": "m", "ThumbMediaId": "t"},
            Attachment("video", "oa:m", "video/mp4", name="video.mp4"),
        ),
        (
            {"MsgType": "shortvideo", "MediaId": "m", "ThumbMediaId": "t"},
            Attachment("video", "oa:m", "video/mp4", name="video.mp4"),
        ),
    ],
)
def test_media_are_attachments(content: dict[str, object], attachment: Attachment) -> None:
    found = incoming(**content)
    assert (found.text, found.attachments) == ("", (attachment,))


def test_a_voice_that_wechat_has_heard_is_its_text() -> None:
    found = incoming(MsgType="voice", MediaId="m", Format="amr", Recognition="你好")
    assert (found.text, found.attachments, found.spoken) == ("你好", (), True)
    assert not incoming(MsgType="text", Content="你好").spoken


def test_a_location_and_a_link_are_texts() -> None:
    where = incoming(MsgType="location", Location_X="23.1", Location_Y="113.3", Scale=20, Label="广州")
    assert where.text == "📍 广州 (23.1, 113.3)"
    link = incoming(MsgType="link", Title="A page", Description="", Url="https://example.org")
    assert link.text == "A page\nhttps://example.org"


def test_what_we_do_not_know_is_nothing() -> None:
    assert heard(MsgType="gift", MsgId=1) is None
    assert heard(MsgType="image", MsgId=1) is None
    assert heard(MsgType="event", Event="CLICK", EventKey="") is None


def test_an_event_is_known_again_by_its_time_and_kind() -> None:
    one, again = (heard(MsgType="event", Event="CLICK", EventKey="/new") for _ in range(2))
    assert one is not None
    assert one == again
    assert (one.incoming.id, one.incoming.addressed) == ("1348831860:CLICK:/new", "command")


@pytest.mark.parametrize("missing", ["ToUserName", "FromUserName", "MsgType"])
def test_a_message_from_nobody_is_forged(missing: str) -> None:
    values = {"ToUserName": US, "FromUserName": ANN, "MsgType": "text", "Content": "x"}
    del values[missing]
    with pytest.raises(Forged):
        parse(dict(values), APP)
