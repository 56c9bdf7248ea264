"""The files on the simulated Telegram, and the media that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class File:
    """A file on the server; `size` may be more than its content, to try limits without the memory."""

    id: str
    unique_id: str
    path: str
    content: bytes = field(repr=False)
    size: int
    kind: str
    name: str
    mime: str
    born: float


class Files:
    """All files, by id and by path."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._files: dict[str, File] = {}

    def add(self, content: bytes, kind: str, name: str = "", mime: str = "", size: int | None = None) -> File:
        """A new file of a kind ("photo", "voice", ...)."""
        number = len(self._files)
        ending = {"photo": ".jpg", "voice": ".oga", "video": ".mp4", "video_note": ".mp4", "audio": ".mp3"}
        suffix = ("." + name.rpartition(".")[2]) if "." in name else ending.get(kind, ".bin")
        made = File(
            id=f"AgACAgIAAxkBAAI{number:06d}{kind[:2].upper()}simulated",
            unique_id=f"AQAD{number:06d}",
            path=f"{kind}s/file_{number}{suffix}" if kind != "voice" else f"voice/file_{number}{suffix}",
            content=content,
            size=len(content) if size is None else size,
            kind=kind,
            name=name,
            mime=mime,
            born=self._clock(),
        )
        self._files[made.id] = made
        return made

    def get(self, id: str) -> File | None:
        """The file of an id, if there is one."""
        return self._files.get(id)

    def at(self, path: str) -> File | None:
        """The file at a path, if there is one."""
        return next((file for file in self._files.values() if file.path == path), None)


@dataclass(slots=True)
class Media:
    """What is attached to a message: the largest file, and the JSON that tells of it."""

    kind: str
    file: File
    document: Any

    @property
    def content(self) -> bytes:
        """The bytes."""
        return self.file.content


def sizes(files: Files, content: bytes, width: int, height: int, size: int | None = None) -> Media:
    """A photo in the sizes that Telegram makes of it, the largest last."""
    listed: list[dict[str, Any]] = []
    made: File | None = None
    longest = max(width, height)
    steps: Sequence[int] = [*(step for step in (90, 320, 800) if step < longest), longest]
    for step in steps:
        own = content if step == longest else b"a smaller one"
        made = files.add(own, "photo", size=size if step == longest else None)
        listed.append(
            {
                "file_id": made.id,
                "file_unique_id": made.unique_id,
                "width": max(1, width * step // longest),
                "height": max(1, height * step // longest),
                "file_size": made.size,
            }
        )
    assert made is not None
    return Media("photo", made, listed)


def media(files: Files, kind: str, content: bytes, name: str = "", mime: str = "", **more: Any) -> Media:
    """Any other media; `more` are the fields of its JSON, and `size` in bytes."""
    size = more.pop("size", None)
    made = files.add(content, kind, name, mime, size)
    document = {"file_id": made.id, "file_unique_id": made.unique_id, "file_size": made.size}
    if kind not in {"video_note", "voice"} and name:
        document["file_name"] = name
    if mime and kind != "video_note":
        document["mime_type"] = mime
    needed: dict[str, dict[str, Any]] = {
        "voice": {"duration": 1},
        "audio": {"duration": 1},
        "video": {"duration": 1, "width": 320, "height": 240},
        "animation": {"duration": 1, "width": 320, "height": 240},
        "video_note": {"duration": 1, "length": 240},
    }
    return Media(kind, made, document | needed.get(kind, {}) | more)
