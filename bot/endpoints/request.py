"""What is asked of a chat model: the request, its JSON, and what a server taught us to write otherwise."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bot.endpoints.calls import ToolCall
from bot.endpoints.report import Report

_DROPPABLE = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "n",
    "tools",
    "reasoning_effort",
    "stream_options",
    "stream",
)
_OTHER_LIMIT = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_PATCHES = 1536  # more of a picture is not looked at
_UNSEEN = "[an image, which this model cannot see]"

_ALTERNATE = re.compile(r"roles? must alternate|alternate between|alternating (?:user|roles)", re.IGNORECASE)
_NO_SYSTEM = re.compile(
    r"system\W*(?:role|message|prompt)s?\b.{0,40}(?:not supported|unsupported|not allowed|must be|only one)"
    r"|(?:not|n[o']t) support\w* (?:the )?\W*system|(?:role|variant)\W{1,3}system\b"
    r"|developer instruction is not enabled",
    re.IGNORECASE,
)
_NO_IMAGES = re.compile(
    r"image_url|image input|images? (?:is|are) not|support\w* images?|multi-?modal|vision|must be a string"
    r"|expected (?:a )?string|string type|content.{0,20}should be a valid string",
    re.IGNORECASE,
)
_BAD_IMAGE = re.compile(
    r"(?:invalid|unsupported|corrupt\w*|broken|malformed|empty) (?:image|picture|base64)|image (?:format|type|parse)"
    r"|(?:image|picture).{0,40}(?:too (?:large|big|small|many)|exceed|corrupt|invalid|is not valid|truncated)"
    r"|(?:process|decode|parse|load|read|open|identify)\w* (?:the |your |this )?(?:input )?(?:image|picture)",
    re.IGNORECASE,
)
"""A picture that is at fault itself: the next one may do."""

_ONE_ANSWER = re.compile(
    r"(?:one|single) (?:completion )?choice|(?:multiple|several) (?:choices|completions|candidates)",
    re.IGNORECASE,
)
_NO_TOOLS = re.compile(r"\btools?\b|\bfunction[ _-]?call", re.IGNORECASE)
_NO_NAMES = re.compile(
    r"messages\b.{0,40}\bname\b|\bname\b.{0,40}\bmessages\b|^name$|['\"`]name['\"`]", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class TextPart:
    """A piece of text in a message."""

    text: str


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture in a message, as a `data:` URL: no server is ever sent to fetch an address.

    `detail` is how closely the model looks, where the server shall not choose. The size, in pixels, is for counting.
    `aside`: where the model cannot see, the question is asked without it.
    """

    url: str = field(repr=False)
    detail: Literal["", "auto", "low", "high", "original"] = ""
    width: int = 0
    height: int = 0
    aside: bool = False

    @property
    def tokens(self) -> int:
        """About how many tokens the picture takes."""
        return image_tokens(self.width, self.height)


Content = str | tuple[TextPart | ImagePart, ...]
"""What a message says: a text, or texts and pictures in their order."""


def image_tokens(width: int, height: int) -> int:
    """About how many tokens a picture of so many pixels takes; the most that one takes where its size is unknown.

    Source: OpenAI's vision guide for GPT-5.2 and later, patches of 32 pixels; other models take fewer, as a rule.
    """
    patches = math.ceil(width / 32) * math.ceil(height / 32) if width > 0 and height > 0 else _PATCHES
    return math.ceil(min(patches, _PATCHES) * 6 / 5)


def words(content: Content) -> str:
    """The text of a message, without its pictures."""
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if isinstance(part, TextPart))


def pictures(content: Content) -> tuple[ImagePart, ...]:
    """The pictures of a message."""
    return () if isinstance(content, str) else tuple(part for part in content if isinstance(part, ImagePart))


@dataclass(frozen=True, slots=True)
class Function:
    """What a model may call. `parameters` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    @property
    def text(self) -> str:
        """All that the model reads of it, for counting."""
        return f"{self.name}\n{self.description}\n{json.dumps(self.parameters)}"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the dialogue; `name` is who speaks, where several do.

    An assistant's may hold `calls`, and `extras` that its server wants to see again with them; each call is answered
    by a `tool` message with its `call_id`.
    """

    role: Literal["system", "user", "assistant", "tool"]
    content: Content
    name: str = ""
    calls: tuple[ToolCall, ...] = ()
    extras: Mapping[str, str] = field(default_factory=dict)
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What is asked. What is empty or None is left to the configuration, and then to the server.

    `n` is how many answers are wanted, and `tools` may be called by the model.
    """

    messages: tuple[Message, ...]
    model: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    reasoning_effort: str = ""
    stop: tuple[str, ...] = ()
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    n: int = 1
    tools: tuple[Function, ...] = ()

    @property
    def pictured(self) -> bool:
        """Whether there is a picture in it."""
        return any(pictures(message.content) for message in self.messages)

    @property
    def asks_to_look(self) -> bool:
        """Whether what is asked now is about a picture: what the person said last, in one message or several."""
        for message in reversed(self.messages):
            if message.role != "user":
                return False
            if not all(picture.aside for picture in pictures(message.content)):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Quirks:
    """What a server wants otherwise for one model: fields under another name or left out, other messages."""

    limit_field: str = "max_tokens"
    dropped: frozenset[str] = frozenset()
    alternate: bool = False  # user and assistant take turns, a user first
    no_system: bool = False
    no_images: bool = False  # and no content in parts
    no_names: bool = False


def compose(request: ChatRequest, model: str, quirks: Quirks) -> dict[str, Any]:
    """The JSON of a request: as little as possible, because unknown servers refuse what they do not know."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [_message(message) for message in _arranged(request.messages, quirks)],
        "stream": True,
        "stream_options": {"include_usage": True},
        quirks.limit_field: request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "stop": list(request.stop) or None,
        "n": request.n if request.n > 1 else None,
        "tools": [_function(function) for function in request.tools] or None,
        "reasoning_effort": request.reasoning_effort or None,
    }
    dropped = quirks.dropped | ({"stream_options"} if "stream" in quirks.dropped else set())
    return {name: value for name, value in body.items() if value is not None and name not in dropped}


def adapt(quirks: Quirks, report: Report, body: Mapping[str, Any]) -> Quirks | None:
    """What to do otherwise after a refusal; None where nothing in `body` can be. Each thing changes once."""
    if refused := _named_field(report, body):
        other = _OTHER_LIMIT.get(refused, "")
        renamed = bool(other) and other not in quirks.dropped and _unknown(report, other)
        return replace(
            quirks,
            limit_field=other if renamed else quirks.limit_field,
            dropped=quirks.dropped | {refused},
        )
    messages: Sequence[Mapping[str, Any]] = body["messages"]
    said = f"{report.param} {report.message}"
    for name, pattern in (("n", _ONE_ANSWER), ("tools", _NO_TOOLS)):
        if name in body and pattern.search(said):
            return replace(quirks, dropped=quirks.dropped | {name})
    changes: tuple[tuple[str, bool, re.Pattern[str]], ...] = (
        ("no_images", any(isinstance(m["content"], list) for m in messages), _NO_IMAGES),
        ("no_names", any("name" in m for m in messages), _NO_NAMES),
        ("alternate", not quirks.alternate, _ALTERNATE),
        ("no_system", messages[0]["role"] == "system", _NO_SYSTEM),
    )
    for change, possible, pattern in changes:
        if possible and pattern.search(said) and not (change == "no_images" and _BAD_IMAGE.search(said)):
            return replace(quirks, **{change: True})  # type: ignore[arg-type]  # each of the four is a switch
    return None


def _named_field(report: Report, body: Mapping[str, Any]) -> str:
    """The field of `body` that a refusal blames: by `param`, else in quotes, else by its bare name."""
    root = re.split(r"[.\[]", report.param)[0]
    if root in _DROPPABLE and root in body:
        return root
    if root == "messages":
        return ""
    quoted = re.findall(r"['\"`](\w+)(?:\.\w+)*['\"`]", report.message)
    # A bare "stream" or "stop" is a word of many sentences.
    bare = [word for word in re.findall(r"\w+", report.message) if word not in ("stream", "stop")]
    return next((word for word in (*quoted, *bare) if word in _DROPPABLE and word in body), "")


def _unknown(report: Report, other: str) -> bool:
    """Whether the name of the limit was refused, rather than its value."""
    if other in report.message:
        return True
    unknown = r"unsupported|not supported|unknown|unrecogni[sz]ed|unexpected|extra|not permitted|not allowed"
    return bool(
        re.search(unknown, f"{report.code} {report.type} {report.message}", re.IGNORECASE)
    ) and not re.search(r"too large|at most|less than|greater than", report.message, re.IGNORECASE)


def _arranged(messages: Sequence[Message], quirks: Quirks) -> list[Message]:
    """One system message, first; nothing empty from the assistant; neighbours of one role and name joined."""
    messages = _plainer(messages, quirks)
    system = [m for m in messages if m.role == "system"]
    found: list[Message] = []
    if system:
        found.append(replace(system[0], content="\n\n".join(_flat(m.content) for m in system), name=""))
    for message in messages:
        if message.role == "system" or not (message.content or message.calls or message.role == "user"):
            continue
        last = found[-1] if found else None
        if last and _joinable(last) and (last.role, last.name) == (message.role, message.name):
            found[-1] = _joined(last, message)
        else:
            found.append(message)
    if quirks.no_system and found and found[0].role == "system":
        found[0] = replace(found[0], role="user")
        if len(found) > 1 and found[1].role == "user":
            found[:2] = [_joined(found[0], replace(found[1], name=""))]
    first = next((n for n, m in enumerate(found) if m.role != "system"), None)
    if quirks.alternate and first is not None and found[first].role == "assistant":
        found.pop(first)  # what was cut to fit may begin with an answer
    return found


def _plainer(messages: Sequence[Message], quirks: Quirks) -> Sequence[Message]:
    """The same without what the model does not take."""
    if "tools" in quirks.dropped:
        messages = [_told(m) for m in messages]
    if quirks.no_images:
        messages = [replace(m, content=_flat(m.content)) for m in messages]
    if quirks.no_names or quirks.alternate:
        messages = [replace(m, name="") for m in messages]
    return messages


def _joinable(message: Message) -> bool:
    return message.role != "tool" and not message.calls


def _told(message: Message) -> Message:
    """The same for a server that knows of no tools: what one gave is told in words."""
    if message.role == "tool":
        return Message("user", f"[{_flat(message.content)}]")
    return replace(message, calls=(), extras={}) if message.calls else message


def _joined(one: Message, two: Message) -> Message:
    if isinstance(one.content, str) and isinstance(two.content, str):
        return replace(two, content=f"{one.content}\n\n{two.content}")
    return replace(two, content=(*_parts(one.content), *_parts(two.content)))


def _parts(content: Content) -> tuple[TextPart | ImagePart, ...]:
    return ((TextPart(content),) if content else ()) if isinstance(content, str) else content


def _flat(content: Content) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text if isinstance(part, TextPart) else _UNSEEN for part in content)


def _image(part: ImagePart) -> dict[str, str]:
    return {"url": part.url} | ({"detail": part.detail} if part.detail else {})


def _message(message: Message) -> dict[str, Any]:
    content: Any = message.content
    if not isinstance(content, str):
        content = [
            {"type": "text", "text": part.text}
            if isinstance(part, TextPart)
            else {"type": "image_url", "image_url": _image(part)}
            for part in content
        ]
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call_id, "content": content}
    if message.calls:
        return {
            **message.extras,
            "role": "assistant",
            "content": content,
            "tool_calls": [*map(_call, message.calls)],
        }
    # OpenAI takes names of up to 64 characters without blanks and <|\/>.
    name = re.sub(r"[\s<|\\/>]+", "_", message.name)[:64]
    return {"role": message.role, "content": content} | (
        {"name": name} if name and message.role != "system" else {}
    )


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {**call.extra, "id": call.id, "type": "function", "function": function}


def _function(function: Function) -> dict[str, Any]:
    described = {"description": function.description, "parameters": function.parameters}
    return {"type": "function", "function": {"name": function.name, **described}}
