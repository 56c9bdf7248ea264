"""Tencent's envelope: its published examples, two independent peers in both directions, and everything forged."""

from __future__ import annotations

import base64
import re
import struct

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from defusedxml.ElementTree import fromstring
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.crypto import WeChatCrypto
from werobot.crypto import MessageCrypt

from adapters._envelope import Envelope, Forged, media_opened, read_xml, signature, verify, write_xml

TOKEN, KEY, APP = "spamtest", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "wx2c2769f8efd9abc2"
WHEN, NONCE = "1409735669", "1320562132"

ACCOUNT = (
    "hyzAe4OzmOMbd6TvGdIOO6uBmdJoD0Fk53REIHvxYtJlE2B655HuD0m8KUePWB3+LrPXo87wzQ1QLvbeUgmBM4x6F8PGHQHF"
    "VAFmOD2LdJF9FrXpbUAh0B5GIItb52sn896wVsMSHGuPE328HnRGBcrS7C41IzDWyWNlZkyyXwon8T332jisa+h6tEDYsVti"
    "cbSnyU8dKOIbgU6ux5VTjg3yt+WGzjlpKn6NPhRjpA912xMezR4kw6KWwMrCVKSVCZciVGCgavjIQ6X8tCOp3yZbGpy0VxpA"
    "e+77TszTfRd5RJSVO/HTnifJpXgCSUdUue1v6h0EIBYYI1BD1DlD+C0CR8e6OewpusjZ4uBl9FyJvnhvQl+q5rv1ixrcpCum"
    "EPo5MJSgM9ehVsNPfUM669WuMyVWQLCzpu9GhglF2PE="
)
"""The message of the example that Tencent publishes with its own code for official accounts."""

WORK = (
    "RypEvHKD8QQKFhvQ6QleEB4J58tiPdvo+rtK1I9qca6aM/wvqnLSV5zEPeusUiX5L5X/0lWfrf0QADHHhGd3QczcdCUpj911"
    "L3vg3W/sYYvuJTs3TUUkSUXxaccAS0qhxchrRYt66wiSpGLYL42aM6A8dTT+6k4aSknmPj48kzJs8qLjvd4Xgpue06DOdnLx"
    "AUHzM6+kDZ+HMZfJYuR+LtwGc2hgf5gsijff0ekUNXZiqATP7PF5mZxZ3Izoun1s4zG4LUMnvw2r+KqCKIw+3IQH03v+BCA9"
    "nMELNqbSf6tiWSrXJB3LAVGUcallcrw8V2t9EL4EhzJWrQUax5wLVMNS0+rUPA3k22Ncx4XXZS9o0MBH27Bo6BpNelZpS+/u"
    "h9KsNlY6bHCmJU9p8g7m3fVKn28H3KDYA5Pl/T8Z1ptDAVe0lXdQ2YoyyH2uyPIGHBZZIs2pDBS8R07+qN+E7Q=="
)
"""The same of WeCom's."""

WORK_ECHO = "P9nAzCzyDtyTWESHep1vC5X9xho/qYX3Zpb4yKa9SKld1DsH3Iyt3tP3zNdtp+4RPcs8TgAE7OaBO+FZXvnaqQ=="

TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)


def envelope(receiver: str = APP) -> Envelope:
    return Envelope(TOKEN, KEY, receiver)


# --- published examples --------------------------------------------------------------------------------------


def test_the_published_message_of_an_official_account_opens() -> None:
    xml = envelope().open(ACCOUNT, "5d197aaffba7e9b25a30732f161a50dee96bd5fa", WHEN, NONCE)
    assert read_xml(xml)["Content"] == "abcdteT"
    assert read_xml(xml)["MsgId"] == "6054768590064713728"


def test_the_published_messages_of_wecom_open() -> None:
    wecom = Envelope("QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7")
    xml = wecom.open(WORK, "477715d11cdb4164915debcba66cb864d751f3e6", "1409659813", "1372623149")
    assert (read_xml(xml)["Content"], read_xml(xml)["AgentID"]) == ("hello", "218")
    echo = wecom.open(WORK_ECHO, "5c45ff5e21c57e6ad56bac8758b79b1d9ac89fd3", "1409659589", "263014780")
    assert echo == b"1616140317555161061"


# --- peers ---------------------------------------------------------------------------------------------------


@given(st.integers(1, 130), TEXTS)
def test_wechatpy_opens_what_we_seal_and_we_open_what_it_seals(length: int, text: str) -> None:
    message = (text + "x" * length).encode()  # every length of the padding
    peer = WeChatCrypto(TOKEN, KEY, APP)
    encrypted, signed = envelope().seal(message, WHEN, NONCE)
    assert peer.decrypt_message({"Encrypt": encrypted}, signed, WHEN, NONCE).encode() == message
    theirs = fromstring(peer.encrypt_message(message.decode(), NONCE, WHEN))
    encrypted, signed = theirs.findtext("Encrypt") or "", theirs.findtext("MsgSignature") or ""
    assert envelope().open(encrypted, signed, WHEN, NONCE) == message


@given(st.integers(1, 130), TEXTS)
def test_werobot_opens_what_we_seal_and_we_open_what_it_seals(length: int, text: str) -> None:
    message = (text + "x" * length).encode()
    peer = MessageCrypt(TOKEN, KEY, APP)
    encrypted, signed = envelope().seal(message, WHEN, NONCE)
    assert peer.decrypt_message(WHEN, NONCE, signed, encrypted) == message
    encrypted = peer.prp_crypto.encrypt(message, APP).decode()
    signed = signature(TOKEN, WHEN, NONCE, encrypted)
    assert envelope().open(encrypted, signed, WHEN, NONCE) == message


@given(st.binary(max_size=500), st.sampled_from(["", APP, "ww1"]))
def test_what_was_sealed_opens_for_its_receiver(message: bytes, receiver: str) -> None:
    encrypted, signed = envelope(receiver).seal(message, WHEN, NONCE)
    assert envelope(receiver).open(encrypted, signed, WHEN, NONCE) == message


# --- forged --------------------------------------------------------------------------------------------------


def test_a_wrong_signature_is_refused() -> None:
    encrypted, signed = envelope().seal(b"hello", WHEN, NONCE)
    for forged in ("", "0" * 40, signed[:-1], signed.upper(), "ü"):
        with pytest.raises(Forged):
            envelope().open(encrypted, forged, WHEN, NONCE)
    with pytest.raises(Forged):
        envelope().open(encrypted, signed, "1409735670", NONCE)
    with pytest.raises(Forged):
        verify("0" * 40, TOKEN, WHEN, NONCE)
    verify(signature(NONCE, TOKEN, WHEN), TOKEN, WHEN, NONCE)


def test_a_message_for_another_receiver_is_refused() -> None:
    encrypted, signed = envelope("wx-other").seal(b"hello", WHEN, NONCE)
    with pytest.raises(Forged):
        envelope().open(encrypted, signed, WHEN, NONCE)


@pytest.mark.parametrize("body", ["", "AAAA", "not base64!", base64.b64encode(b"x" * 15).decode(), "ü"])
def test_a_truncated_body_is_refused_although_its_signature_is_right(body: str) -> None:
    with pytest.raises(Forged):
        envelope().open(body, signature(TOKEN, WHEN, NONCE, body), WHEN, NONCE)


def sealed(plain: bytes) -> str:
    key = base64.b64decode(KEY + "=")
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()


@pytest.mark.parametrize(
    "plain",
    [
        b"x" * 31 + b"\x00",
        b"x" * 31 + b"\x21",
        b"x" * 30 + b"\x07\x02",
        b"\x20" * 32,
        b"r" * 16 + struct.pack("!I", 2**31) + b"m" * 11 + b"\x01",
    ],
)
def test_a_body_whose_padding_or_length_is_wrong_is_refused(plain: bytes) -> None:
    body = sealed(plain)
    with pytest.raises(Forged):
        envelope().open(body, signature(TOKEN, WHEN, NONCE, body), WHEN, NONCE)


@pytest.mark.parametrize("key", ["", "short", KEY[:-1], KEY + "AA", "!" * 43])
def test_what_is_no_key_is_refused_without_being_quoted(key: str) -> None:
    with pytest.raises(ValueError, match="EncodingAESKey") as refused:
        Envelope(TOKEN, key, APP)
    assert not key or key not in str(refused.value)


def test_a_file_opens_under_the_messages_own_key() -> None:
    assert media_opened(base64.b64decode(sealed(b"picture" + b"\x19" * 25)), KEY) == b"picture"
    for cut in (b"", b"x" * 15, b"x" * 32):
        with pytest.raises(Forged):
            media_opened(cut, KEY)


# --- XML -----------------------------------------------------------------------------------------------------

BOMB = b'<!DOCTYPE xml [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><xml><Content>&b;</Content></xml>'
OUTSIDE = b'<!DOCTYPE xml [<!ENTITY a SYSTEM "file:///etc/hostname">]><xml><Content>&a;</Content></xml>'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"<xml>",
        BOMB,
        OUTSIDE,
        b"<!DOCTYPE xml><xml></xml>",
        b"<a>" * 20 + b"</a>" * 20,
        b"\xff\xfe<",
    ],
)
def test_what_is_no_xml_of_a_message_is_refused(body: bytes) -> None:
    with pytest.raises(Forged):
        read_xml(body)


@given(TEXTS)
def test_text_survives_its_way_through_xml(text: str) -> None:
    allowed = re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "", text)
    assert read_xml(write_xml({"Content": allowed + "]]>"}).encode()) == {"Content": allowed + "]]>"}
    read_xml(write_xml({"Content": text}).encode())  # whatever it is, it is XML


def test_numbers_are_bare_and_elements_nest_and_repeat() -> None:
    values = {"CreateTime": 7, "Articles": {"item": [{"Title": "a"}, {"Title": "b"}]}}
    assert "<CreateTime>7</CreateTime>" in write_xml(values)
    read = {"CreateTime": "7", "Articles": {"item": [{"Title": "a"}, {"Title": "b"}]}}
    assert read_xml(write_xml(values).encode()) == read
