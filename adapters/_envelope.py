"""Tencent's callback envelope: signature, AES and XML, as WeChat and WeCom wrap every message to a server.

Sources: "消息加解密说明" (developers.weixin.qq.com) and "加解密方案说明"
(developer.work.weixin.qq.com/document/path/90968): the signature is SHA-1 over the sorted parts; the body is
AES-256-CBC with the key's first 16 bytes as its vector, PKCS #7 to blocks of 32, over 16 random bytes, the length
of the message in network order, the message, and who it is for.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import struct
from collections.abc import Callable, Mapping
from xml.etree.ElementTree import Element, ParseError

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

BODY_LIMIT = 256 * 1024
"""Bytes of a callback's body; a message is a few hundred, a mixed one of a smart bot a few thousand."""

_BLOCK = 32
_PREFIX = 16
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, "Char"
_DEPTH = 8  # of elements within elements; ours have three


class Forged(Exception):
    """A signature, an encrypted body or an XML that cannot be Tencent's. `str(error)` quotes nothing of it."""


def signature(*parts: str) -> str:
    """The signature over the parts, in whatever order they are given."""
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def verify(given: str, *parts: str) -> None:
    """Compare in constant time. Raises `Forged`."""
    if not hmac.compare_digest(given.encode(), signature(*parts).encode()):
        raise Forged("the signature is not right")


class Envelope:
    """Opens and seals messages for one receiver: an app id, a corp id, or nobody (WeCom's smart bots).

    `key` is the EncodingAESKey, 43 characters. Raises `ValueError` for one that is no key.
    """

    def __init__(
        self, token: str, key: str, receiver: str, *, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        self._token = token
        self._key = _decoded(key)
        self._receiver = receiver.encode()
        self._random = random

    def open(self, encrypted: str, given: str, timestamp: str, nonce: str) -> bytes:
        """The message inside, once its signature, its padding and its receiver are right. Raises `Forged`."""
        verify(given, self._token, timestamp, nonce, encrypted)
        try:
            sealed = base64.b64decode(encrypted, validate=True)
        except (binascii.Error, ValueError):
            raise Forged("the encrypted body is not base64") from None
        if not sealed or len(sealed) % 16:
            raise Forged("the encrypted body is cut")
        decryptor = self._cipher().decryptor()
        plain = _unpadded(decryptor.update(sealed) + decryptor.finalize())
        if len(plain) < _PREFIX + 4:
            raise Forged("the encrypted body is too short")
        (length,) = struct.unpack("!I", plain[_PREFIX : _PREFIX + 4])
        message, receiver = plain[_PREFIX + 4 :][:length], plain[_PREFIX + 4 + length :]
        if len(message) != length or not hmac.compare_digest(receiver, self._receiver):
            raise Forged("the message is for somebody else")
        return message

    def seal(self, message: bytes, timestamp: str, nonce: str) -> tuple[str, str]:
        """The encrypted message and its signature."""
        plain = self._random(_PREFIX) + struct.pack("!I", len(message)) + message + self._receiver
        encryptor = self._cipher().encryptor()
        encrypted = base64.b64encode(encryptor.update(_padded(plain)) + encryptor.finalize()).decode()
        return encrypted, signature(self._token, timestamp, nonce, encrypted)

    def _cipher(self) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self._key), modes.CBC(self._key[:16]))


def media_opened(sealed: bytes, key: str) -> bytes:
    """A file of a smart bot's message: AES-256-CBC under the message's own key. Raises `Forged`, `ValueError`.

    Source: developer.work.weixin.qq.com/document/path/100719 (file and image messages).
    """
    secret = _decoded(key)
    if not sealed or len(sealed) % 16:
        raise Forged("the encrypted file is cut")
    decryptor = Cipher(algorithms.AES(secret), modes.CBC(secret[:16])).decryptor()
    return _unpadded(decryptor.update(sealed) + decryptor.finalize())


def read_xml(body: bytes) -> dict[str, object]:
    """The elements of a message: text, or a mapping where there are elements within. Raises `Forged`.

    No document type, no entities: they are how an XML of a hundred bytes becomes one of gigabytes.
    """
    try:
        root = fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise Forged("this is no XML of a message") from None
    return _elements(root, 0)


def write_xml(values: Mapping[str, object]) -> str:
    """An XML of a message: text as CDATA, numbers bare, mappings as elements within, lists as repeated ones."""
    return f"<xml>{_written(values)}</xml>"


def _elements(parent: Element, depth: int) -> dict[str, object]:
    if depth > _DEPTH:
        raise Forged("the XML is too deep")
    found: dict[str, object] = {}
    for child in parent:
        value: object = _elements(child, depth + 1) if len(child) else (child.text or "")
        earlier = found.get(child.tag)
        if isinstance(earlier, list):
            earlier.append(value)
        else:
            found[child.tag] = value if earlier is None else [earlier, value]
    return found


def _written(values: Mapping[str, object]) -> str:
    parts = []
    for name, value in values.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping):
                parts.append(f"<{name}>{_written(each)}</{name}>")
            elif isinstance(each, int):
                parts.append(f"<{name}>{each}</{name}>")
            else:
                parts.append(f"<{name}>{_cdata(str(each))}</{name}>")
    return "".join(parts)


def _cdata(text: str) -> str:
    # What would end the section is divided between two, which read as one text.
    allowed = _NO_XML.sub("", text)
    return f"<![CDATA[{allowed.replace(']]>', ']]]]><![CDATA[>')}]]>"


def _decoded(key: str) -> bytes:
    try:
        secret = base64.b64decode(f"{key.strip()}=" if len(key.strip()) == 43 else key.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("this is no EncodingAESKey") from None
    if len(secret) != 32:
        raise ValueError("an EncodingAESKey has 43 characters")
    return secret


def _padded(plain: bytes) -> bytes:
    more = _BLOCK - len(plain) % _BLOCK
    return plain + bytes([more]) * more


def _unpadded(plain: bytes) -> bytes:
    more = plain[-1]
    if not 1 <= more <= _BLOCK or plain[-more:] != bytes([more]) * more:
        raise Forged("the encrypted body's padding is not right")
    return plain[:-more]
