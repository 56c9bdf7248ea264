"""Files at WeCom: sent up by us or by people, good for three days."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from tests.simulators import amr
from tests.simulators.wecom.refusal import Refused

if TYPE_CHECKING:
    from tests.simulators.wecom.simulator import WeComSimulator

LIFE = 3 * 86400
_MOST = {"image": 10 << 20, "voice": 2 << 20, "video": 10 << 20, "file": 20 << 20}
_MAGIC = {"image": (b"\x89PNG", b"\xff\xd8"), "voice": (b"#!AMR",), "video": (b"\0\0\0",), "file": (b"",)}
_TYPES = {
    "image": "image/jpeg",
    "voice": "audio/amr",
    "video": "video/mp4",
    "file": "application/octet-stream",
}


@dataclass(frozen=True)
class Kept:
    """A file and until when it is kept."""

    kind: str
    name: str
    data: bytes
    until: float


class Files:
    """The files by their ids."""

    def __init__(self, sim: WeComSimulator) -> None:
        self._sim = sim
        self._kept: dict[str, Kept] = {}
        self.uploads = 0

    def put(self, kind: str, name: str, data: bytes) -> str:
        """Keep a file."""
        media = f"m{self._sim.number()}"
        self._kept[media] = Kept(kind, name, data, self._sim.clock() + LIFE)
        return media

    @property
    def all(self) -> list[Kept]:
        """Every file, in the order in which they came."""
        return list(self._kept.values())

    def get(self, media: str, kind: str = "") -> Kept:
        """The file, which has to be of that kind. Raises `Refused`."""
        kept = self._kept.get(media)
        if kept is None or kept.until < self._sim.clock() or kind not in ("", kept.kind):
            raise Refused(40007, "invalid media_id")
        return kept

    async def upload(self, request: web.Request) -> dict[str, object]:
        """media/upload."""
        kind = request.query.get("type", "")
        if kind not in _MOST:
            raise Refused(40004, "invalid media type")
        form = await request.post()
        field = form.get("media")
        if not isinstance(field, web.FileField) or not field.filename:
            raise Refused(44001, "empty media data")
        data = field.file.read()
        if len(data) <= 5:
            raise Refused(40058, "media size should be more than 5 bytes")
        if len(data) > _MOST[kind]:
            raise Refused(40009, "invalid image size" if kind == "image" else "invalid media size")
        if not data.startswith(_MAGIC[kind]):
            raise Refused(40005, "invalid file type")
        if kind == "voice" and not _plays(data):
            raise self._sim.wrong("a voice message that is no AMR of at most sixty seconds")
        self.uploads += 1
        media = self.put(kind, field.filename, data)
        return {"type": kind, "media_id": media, "created_at": str(int(self._sim.clock()))}

    def download(self, request: web.Request) -> web.Response:
        """media/get."""
        kept = self.get(request.query.get("media_id", ""))
        headers = {"Content-Disposition": f'attachment; filename="{kept.name}"'}
        return web.Response(body=kept.data, content_type=_TYPES[kept.kind], headers=headers)


def _plays(recording: bytes) -> bool:
    try:
        return amr.seconds(recording) <= 60
    except ValueError:
        return False
