"""What the Bot API reads from a request: query, JSON, form and multipart."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from starlette.requests import Request

from tests.simulators.telegram.schema import Refused, bad

UPLOAD_LIMIT = 50 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came."""

    name: str
    mime: str
    content: bytes


async def read(request: Request) -> tuple[dict[str, Any], dict[str, Upload]]:
    """Parameters and files, by name. Raises `Refused` where the body is not what it says."""
    given: dict[str, Any] = dict(parse_qsl(request.url.query, keep_blank_values=True))
    body = await request.body()
    if len(body) > UPLOAD_LIMIT + 1024 * 1024:
        raise Refused(413, "Request Entity Too Large")
    kind, _, rest = request.headers.get("content-type", "").partition(";")
    match kind.strip().lower():
        case "application/json":
            return given | _json(body), {}
        case "application/x-www-form-urlencoded":
            return given | dict(parse_qsl(body.decode(), keep_blank_values=True)), {}
        case "multipart/form-data":
            fields, files = _multipart(body, rest)
            return given | fields, files
    return given, {}


def _json(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        raise bad("can't parse JSON object") from None
    if not isinstance(document, dict):
        raise bad("expected Object")
    return document


def _multipart(body: bytes, rest: str) -> tuple[dict[str, str], dict[str, Upload]]:
    boundary = re.search(r'boundary="?([^";]+)"?', rest)
    if boundary is None:
        raise bad("boundary not found")
    fields: dict[str, str] = {}
    files: dict[str, Upload] = {}
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())
    if not pieces[-1].startswith(b"--"):
        raise bad("unexpected end of multipart body")
    for piece in pieces[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        headers = head.decode("utf-8", "replace")
        name = re.search(r'[;\s]name="([^"]*)"', headers)
        if name is None:
            raise bad("field name not found")
        filename = _filename(headers)
        if filename is None:
            fields[unquote(name[1])] = content.decode()
        else:
            mime = re.search(r"(?im)^content-type:\s*(\S+)", headers)
            files[unquote(name[1])] = Upload(filename, mime[1] if mime else "", content)
    return fields, files


def _filename(headers: str) -> str | None:
    if encoded := re.search(r"filename\*=utf-8''([^;\s]*)", headers, re.IGNORECASE):
        return unquote(encoded[1])
    plain = re.search(r'filename="([^"]*)"', headers)
    return unquote(plain[1]) if plain else None
