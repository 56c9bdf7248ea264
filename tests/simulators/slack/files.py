"""The files on the simulated Slack: what people upload, what the app uploads, and how both are fetched."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiohttp import web

from tests.simulators.slack.api import Asked
from tests.simulators.slack.chat import posted, thread_of
from tests.simulators.slack.refusal import Refused

if TYPE_CHECKING:
    from tests.simulators.slack.simulator import SlackSimulator
    from tests.simulators.slack.world import Team

_LOGIN = "<!DOCTYPE html><html><head><title>Slack</title></head><body>Sign in to your workspace</body></html>"
_PIECE = 65_536


@dataclass(eq=False, slots=True)
class File:
    """A file. `size` pretends another length than the content's; zeros fill it when it is fetched.

    `check` is the file of a Slack Connect channel: events tell nothing of it but its id. `fields` are further
    fields of its JSON, such as `subtype`.
    """

    content: bytes = b""
    name: str = "notes.txt"
    mime: str = ""
    size: int = 0
    check: bool = False
    title: str = ""
    fields: dict[str, Any] = field(default_factory=dict)
    id: str = ""
    user: str = ""
    created: int = 0
    base: str = field(default="", repr=False)
    team: Team | None = field(default=None, repr=False)
    channels: list[str] = field(default_factory=list)
    shares: dict[str, str] = field(default_factory=dict)
    alt: str = ""

    def __post_init__(self) -> None:
        self.mime = self.mime or mimetypes.guess_type(self.name)[0] or "application/octet-stream"
        self.size = self.size or len(self.content)

    def json(self, *, shared: bool = False) -> dict[str, Any]:
        """The file as Slack gives it; `shared` is how it stands in a message."""
        if self.check and shared:
            return {"id": self.id, "created": self.created, "file_access": "check_file_info"}
        kind = self.name.rpartition(".")[2].lower()
        assert self.team is not None
        address = f"{self.base}/files-pri/{self.team.id}-{self.id}"
        return {
            "id": self.id,
            "created": self.created,
            "timestamp": self.created,
            "name": self.name,
            "title": self.title or self.name,
            "mimetype": self.mime,
            "filetype": kind,
            "pretty_type": kind.upper(),
            "user": self.user,
            "user_team": self.team.id,
            "size": self.size,
            "mode": "hosted",
            "is_external": False,
            "external_type": "",
            "is_public": False,
            "display_as_bot": False,
            "url_private": f"{address}/{self.name}",
            "url_private_download": f"{address}/download/{self.name}",
            "permalink": f"https://{self.team.domain}.slack.com/files/{self.user}/{self.id}/{self.name}",
            "file_access": "visible",
            **({"alt_txt": self.alt} if self.alt else {}),
            **self.fields,
        }


class Files:
    """The store, with the addresses of uploads and downloads."""

    def __init__(self, sim: SlackSimulator) -> None:
        self._sim = sim
        self.known: dict[str, File] = {}
        self.uploads: dict[str, tuple[str, int]] = {}
        self.uploaded: set[str] = set()

    def add(self, file: File, team: Team, user: str) -> File:
        """Keep a file that somebody has uploaded."""
        file.id, file.team, file.user = self._sim.id("F"), team, user
        file.created, file.base = int(self._sim.clock()), self._sim.url
        self.known[file.id] = file
        return file

    async def upload(self, request: web.Request) -> web.Response:
        """POST /upload/v1/{ticket}: the bytes as they are, or as a form's file."""
        ticket = request.match_info["ticket"]
        if ticket not in self.uploads:
            return web.Response(status=404, text="not found")
        id, length = self.uploads[ticket]
        if request.content_type == "multipart/form-data":
            form = await request.post()
            parts = [part for part in form.values() if isinstance(part, web.FileField)]
            content = parts[0].file.read() if parts else b""
        else:
            content = await request.read()
        if len(content) != length:
            return web.Response(status=400, text="length mismatch")
        del self.uploads[ticket]
        self.known[id].content = content
        self.uploaded.add(id)
        return web.Response(text=f"OK - {length}")

    async def download(self, request: web.Request) -> web.StreamResponse:
        """GET /files-pri/…: the bytes for who has the token; a login page, with 200, for everybody else."""
        file = self.known.get(request.match_info["place"].partition("-")[2])
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self._sim.downloads.append(request.path)
        team = next((t for t in self._sim.teams.values() if t.token == token and not t.standing), None)
        if file is None or team is None or "files:read" not in team.scopes or file.team is not team:
            return web.Response(text=_LOGIN, content_type="text/html")
        response = web.StreamResponse(headers={"Content-Type": file.mime, "Content-Length": str(file.size)})
        await response.prepare(request)
        await response.write(file.content[: file.size])
        left = file.size - len(file.content)
        while left > 0:
            await response.write(bytes(min(_PIECE, left)))
            left -= _PIECE
        return response


async def upload_url(asked: Asked) -> Mapping[str, Any]:
    """files.getUploadURLExternal."""
    try:
        length = int(asked["length"])
    except ValueError:
        raise Refused("invalid_arguments", "length must be a number") from None
    if length < 1:
        raise Refused("invalid_arguments", "length must be greater than 0")
    file = asked.sim.files.add(File(name=asked["filename"], size=length), asked.team, asked.team.user)
    file.alt = asked["alt_txt"] or ""
    ticket = uuid4().hex
    asked.sim.files.uploads[ticket] = (file.id, length)
    return {"upload_url": f"{asked.sim.url}/upload/v1/{ticket}", "file_id": file.id}


async def complete(asked: Asked) -> Mapping[str, Any]:
    """files.completeUploadExternal: the files become one message of the channel."""
    given = asked["files"]
    if not isinstance(given, list) or not given or not all(isinstance(one, Mapping) for one in given):
        raise Refused("invalid_arguments", "files must be an array")
    if any(set(one) - {"id", "title", "highlight_type"} for one in given):
        raise Refused("invalid_arguments", "additional properties not allowed [json-pointer:/files]")
    store = asked.sim.files
    files = [store.known.get(one.get("id", "")) for one in given]
    if any(file is None or file.id not in store.uploaded or file.channels for file in files):
        raise Refused("file_not_found")
    ready = [file for file in files if file is not None]
    names = [asked["channel_id"], *str(asked["channels"] or "").split(",")]
    channels = [_target(asked, name) for name in names if name]
    thread = thread_of(asked)
    if thread and len(channels) > 1:
        raise Refused("invalid_arguments", "only one channel with a thread_ts")
    for file, one in zip(ready, given, strict=True):
        file.title = one.get("title") or file.name
        file.channels = [channel.id for channel in channels]
    for channel in channels:
        content = {"text": asked["initial_comment"] or "", "thread_ts": thread, "subtype": "file_share"}
        message = posted(asked, channel, content | {"files": ready})
        for file in ready:
            file.shares[channel.id] = message.ts
        asked.sim.show(message)
    return {"files": [{"id": file.id, "title": file.title} for file in ready]}


async def info(asked: Asked) -> Mapping[str, Any]:
    """files.info."""
    file = asked.sim.files.known.get(asked["file"])
    if file is None or file.team is not asked.team:
        raise Refused("file_not_found")
    shares = {"private": {channel: [{"ts": ts}] for channel, ts in file.shares.items()}}
    return {"file": file.json() | {"shares": shares, "channels": file.channels}, "comments": []}


async def delete(asked: Asked) -> Mapping[str, Any]:
    """files.delete."""
    file = asked.sim.files.known.get(asked["file"])
    if file is None or file.team is not asked.team:
        raise Refused("file_not_found")
    if file.user != asked.team.user:
        raise Refused("cant_delete_file")
    del asked.sim.files.known[file.id]
    return {}


def _target(asked: Asked, name: str) -> Any:
    asked.params["channel_id"] = name
    channel = asked.channel("channel_id")
    if channel.archived:
        raise Refused("is_archived")
    return channel
