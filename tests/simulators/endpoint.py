"""An OpenAI-style endpoint over real HTTP, as strict as OpenAI's own and as faulty as a test wants it.

Requests are checked with the parameter types of the `openai` SDK, and the answers it makes with the SDK's own
types, such as `ChatCompletionChunk`. `endpoint_media` has what it does with pictures and sound. In a test:

    async with endpoint_simulator() as endpoint:
        endpoint.script(fail(429, headers={"retry-after": "1"}), say("hello"))
        ...  # the first request is refused, the second answered; from then on every request is echoed
        assert endpoint.requests[1].body["model"] == "small"

As a process of its own: `python -m tests.simulators.endpoint --port 0 --delay 0.05` prints its base URL.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import logging
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import uvicorn
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.model import Model
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from tests.simulators import endpoint_media
from tests.simulators.endpoint_media import Sent
from tests.simulators.strictness import Refusal, check

KEY = "sk-simulated-0123456789abcdef"
MODELS = ("small", "large", "thinker")


class Cut:
    """A step at which the server drops the connection."""


CUT = Cut()

Step = bytes | asyncio.Event | float | Cut
"""Bytes are sent, an event is waited for (or the client's leaving), a number is a pause in seconds."""


@dataclass(frozen=True)
class Answer:
    """What goes over the wire: status, headers, and steps; `before` is waited for before anything is sent."""

    steps: Sequence[Step] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "text/event-stream; charset=utf-8"
    before: asyncio.Event | None = None


@dataclass
class Call:
    """A request that was accepted. `closed` is set when its connection is closed or its answer is complete.

    `left` tells that the client went before the answer was complete. `path` is the endpoint, `files` are a form's.
    """

    body: dict[str, Any]
    headers: Mapping[str, str]
    client_port: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    left: bool = False
    path: str = "chat/completions"
    files: Mapping[str, list[Sent]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The text of the last user message."""
        for message in reversed(self.body["messages"]):
            if message["role"] == "user":
                content = message["content"]
                if isinstance(content, str):
                    return content
                return "".join(part.get("text", "") for part in content)
        return ""

    @property
    def streamed(self) -> bool:
        """Whether a stream was asked for."""
        return bool(self.body.get("stream"))


Reply = Callable[[Call], Answer]


# --- answers as they should be ----------------------------------------------------------------------------


def event(document: Mapping[str, Any] | str) -> bytes:
    """One server-sent event."""
    text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


DONE = event("[DONE]")


def chunk(
    model: str, delta: Mapping[str, Any] | None, finish: str | None = None, *, index: int = 0, **more: Any
) -> dict[str, Any]:
    """A `ChatCompletionChunk`, checked; without choices where `delta` is None."""
    document = {
        "id": "chatcmpl-simulated",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": model,
        "choices": [] if delta is None else [{"index": index, "delta": delta, "finish_reason": finish}],
        **more,
    }
    ChatCompletionChunk.model_validate(document, strict=True)
    return document


def pieces(text: str) -> list[str]:
    """A text as a model says it: word by word, each with the blank before it."""
    words = text.split(" ")
    return [words[0], *(f" {word}" for word in words[1:])] if text else []


def count(call: Call, text: str) -> dict[str, int]:
    """Token usage: here a token is a word."""
    prompt = sum(len(json.dumps(m["content"], ensure_ascii=False).split()) for m in call.body["messages"])
    completion = len(text.split())
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def say(
    text: str | Sequence[str] | Callable[[Call], str],
    *,
    finish: str = "stop",
    usage: Mapping[str, int] | None = None,
    gates: Sequence[asyncio.Event] = (),
    delay: float = 0,
    then: Sequence[Step] | None = None,
) -> Reply:
    """An answer in good order: a stream or a whole reply, as asked.

    `text` may come as the pieces it is to be cut into. Before piece n, `gates[n]` is waited for, and then
    `delay` seconds. `then` takes the place of all that follows the pieces.
    """

    def reply(call: Call) -> Answer:
        said = text(call) if callable(text) else text
        parts = pieces(said) if isinstance(said, str) else list(said)
        model, used = call.body["model"], usage or count(call, "".join(parts))
        if not call.streamed:
            return _whole(model, "".join(parts), finish, used)
        steps: list[Step] = [event(chunk(model, {"role": "assistant", "content": "", "refusal": None}))]
        for number, part in enumerate(parts):
            steps += [*gates[number : number + 1], *([delay] if delay else [])]
            steps.append(event(chunk(model, {"content": part})))
        if then is not None:
            return Answer([*steps, *then])
        steps.append(event(chunk(model, {}, finish)))
        if (call.body.get("stream_options") or {}).get("include_usage"):
            steps.append(event(chunk(model, None, usage=used)))
        return Answer([*steps, DONE])

    return reply


def offer(*texts: str, usage: Mapping[str, int] | None = None, ends: Sequence[str] = ()) -> Reply:
    """As many of the texts as are wanted (`n`), mingled word by word; `ends` are their finish reasons."""

    def reply(call: Call) -> Answer:
        model, said = call.body["model"], texts[: call.body.get("n", 1)]
        cut = [pieces(text) for text in said]
        steps: list[Step] = [
            event(chunk(model, {"content": words[number]}, index=index))
            for number in range(max(map(len, cut)))
            for index, words in enumerate(cut)
            if number < len(words)
        ]
        finishes = [*ends, *["stop"] * len(said)]
        steps += [event(chunk(model, {}, finishes[index], index=index)) for index in range(len(said))]
        steps.append(event(chunk(model, None, usage=usage or count(call, " ".join(said)))))
        return Answer([*steps, DONE])

    return reply


def call(
    *calls: tuple[str, Mapping[str, Any] | str],
    text: str = "",
    finish: str = "tool_calls",
    usage: Mapping[str, int] | None = None,
) -> Reply:
    """A name and arguments each: functions that the model wants to be called, behind what it says."""

    def reply(asked: Call) -> Answer:
        model, used = asked.body["model"], usage or count(asked, text)
        known = {tool["function"]["name"] for tool in asked.body.get("tools", ())}
        assert known, "nothing was offered"
        steps = [event(chunk(model, {"content": piece})) for piece in pieces(text)]
        for index, (name, arguments) in enumerate(calls):
            written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
            head = {"index": index, "id": f"call_{index}_simulated", "type": "function"}
            steps.append(_called(model, {**head, "function": {"name": name, "arguments": ""}}))
            for start in range(0, len(written), 7):
                piece = {"index": index, "function": {"arguments": written[start : start + 7]}}
                steps.append(_called(model, piece))
        return Answer([*steps, event(chunk(model, {}, finish)), event(chunk(model, None, usage=used)), DONE])

    return reply


def _called(model: str, piece: Mapping[str, Any]) -> bytes:
    return event(chunk(model, {"tool_calls": [piece]}))


def _whole(
    model: str,
    text: str | None,
    finish: str,
    usage: Mapping[str, int],
    message: Mapping[str, Any] | None = None,
) -> Answer:
    document = {
        "id": "chatcmpl-simulated",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": message or {"role": "assistant", "content": text, "refusal": None},
                "finish_reason": finish,
                "logprobs": None,
            }
        ],
        "usage": dict(usage),
    }
    ChatCompletion.model_validate(document, strict=True)
    return Answer([json.dumps(document, ensure_ascii=False).encode()], media_type="application/json")


def echo(call: Call) -> Answer:
    """Say what the last user message says; to a model that speaks in chat, aloud."""
    if "audio" in (call.body.get("modalities") or ()):
        return aloud(call)
    return say(lambda call: call.text)(call)


def aloud(call: Call) -> Answer:
    """A whole reply in speech, which is silence."""
    sound = base64.b64encode(endpoint_media.wav()).decode()
    audio = {"id": "audio_1", "expires_at": 1_790_000_000, "data": sound, "transcript": call.text}
    message = {"role": "assistant", "content": None, "refusal": None, "audio": audio}
    return _whole(call.body["model"], None, "stop", count(call, call.text), message)


def make(words: str = "hello there") -> Reply:
    """Good order at the endpoints for pictures and sound; `words` are what is heard."""

    def reply(call: Call) -> Answer:
        match call.path:
            case "images/generations" | "images/edits" if call.streamed:
                events = endpoint_media.painting(call.path, call.body)
                return Answer([f"event: {e['type']}\n".encode() + event(e) for e in events])
            case "images/generations" | "images/edits":
                base_url = f"http://{call.headers['host']}/v1"
                text, kind = json.dumps(endpoint_media.painted(call.body, base_url)), "application/json"
                return Answer([text.encode()], media_type=kind)
            case "audio/speech":
                sound = endpoint_media.wav()
                return Answer([sound[:600], sound[600:]], media_type="audio/wav")
        text, kind = endpoint_media.heard(call.body, words)
        return Answer([text.encode()], media_type=kind)

    return reply


# --- answers as they should not be ------------------------------------------------------------------------


def fail(
    status: int,
    message: str = "It did not work.",
    *,
    code: str | None = None,
    type: str = "invalid_request_error",
    param: str | None = None,
    body: bytes | Mapping[str, Any] | Sequence[Any] | None = None,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Reply:
    """A refusal with OpenAI's error body, or with `body`."""
    if body is None:
        body = {"error": {"message": message, "type": type, "param": param, "code": code}}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda call: Answer([raw], status, headers or {}, media_type)


def page(status: int = 200, title: str = "Sign in") -> Reply:
    """A web page, as from a proxy or a wrong address."""
    html = (
        f"<!DOCTYPE html><html><head><title>{title}</title><style>p {{}}</style></head><p>{title}</p></html>"
    )
    return fail(status, body=html.encode(), media_type="text/html; charset=utf-8")


def hang(gate: asyncio.Event, reply: Reply = echo) -> Reply:
    """Say nothing, not even the headers, until `gate` is set."""

    def waiting(call: Call) -> Answer:
        answer = reply(call)
        return Answer(answer.steps, answer.status, answer.headers, answer.media_type, before=gate)

    return waiting


def raw(*steps: Step, **more: Any) -> Reply:
    """These steps and nothing else."""
    return lambda call: Answer(steps, **more)


# --- the server -------------------------------------------------------------------------------------------


class EndpointSimulator:
    """The endpoint's state: what it was asked, and what it will say.

    `reply` answers every chat for which nothing is scripted, `made` every other request. `lacks` are endpoints that
    are not there, such as `audio/speech`. `reasoning` names models with the rules of
    reasoning models. `windows` adds `max_model_len` to the listed models. `listed` false: there is no list.
    """

    def __init__(
        self, key: str = KEY, models: Sequence[str] = MODELS, reasoning: Sequence[str] = ("thinker",)
    ) -> None:
        self.base_url = ""
        self.key = key
        self.models = list(models)
        self.reasoning = set(reasoning)
        self.windows: dict[str, int] = {}
        self.shutdowns: dict[str, str] = {}
        self.listed = True
        self.listings = 0
        self.requests: list[Call] = []
        self.refused: list[Refusal] = []
        self.reply: Reply = echo
        self.made: Reply = make()
        self.lacks: set[str] = set()
        self._scripted: deque[Reply] = deque()
        self._arrived = asyncio.Condition()
        self.app = Starlette(
            routes=[
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
                Route("/v1/models", self._models, methods=["GET"]),
                Route("/v1/files/picture.png", self._picture, methods=["GET"]),
                *(
                    Route(f"/v1/{path}", self._media, methods=["POST"])
                    for path in (
                        *("images/generations", "images/edits"),
                        *("audio/transcriptions", "audio/translations", "audio/speech"),
                    )
                ),
            ],
            exception_handlers={404: _no_such_url, 405: _no_such_url},
        )

    def script(self, *replies: Reply | Answer | str) -> None:
        """What the next requests are answered with, one each; text is said."""
        for reply in replies:
            match reply:
                case str():
                    self._scripted.append(say(reply))
                case Answer():
                    self._scripted.append(partial(lambda answer, call: answer, reply))
                case _:
                    self._scripted.append(reply)

    async def arrived(self, number: int = 1) -> Call:
        """The request of this number, counted from 1, as soon as it is there (within half a minute)."""
        async with asyncio.timeout(30), self._arrived:
            await self._arrived.wait_for(lambda: len(self.requests) >= number)
        return self.requests[number - 1]

    async def _chat(self, request: Request) -> Response:
        if "chat/completions" in self.lacks:
            return await _no_such_url(request, LookupError())
        refusal = self._unauthorised(request)
        call = None
        if refusal is None:
            try:
                body = json.loads(await request.body())
            except ValueError:
                refusal = Refusal(400, "We could not parse the JSON body of your request.")
            else:
                refusal = check(body, {*self.models, *endpoint_media.MODELS["chat"]}, self.reasoning)
                call = Call(body, request.headers, request.client.port if request.client else 0)
        if refusal is not None or call is None:
            return self._refuse(refusal)
        return await self._answered(call, self.reply)

    async def _media(self, request: Request) -> Response:
        path = request.url.path.removeprefix("/v1/")
        if path in self.lacks:
            return await _no_such_url(request, LookupError())
        if (refusal := self._unauthorised(request)) is not None:
            return self._refuse(refusal)
        given = endpoint_media.read(path, request.headers.get("content-type", ""), await request.body())
        if isinstance(given, Refusal):
            return self._refuse(given)
        body, files = given
        kind = {"images": "images", "audio": "speech" if path == "audio/speech" else "hearing"}
        models = endpoint_media.MODELS[kind[path.partition("/")[0]]]
        if (refusal := endpoint_media.check(path, body, files, models)) is not None:
            return self._refuse(refusal)
        port = request.client.port if request.client else 0
        return await self._answered(Call(body, request.headers, port, path=path, files=files), self.made)

    async def _answered(self, call: Call, usual: Reply) -> Response:
        async with self._arrived:
            self.requests.append(call)
            self._arrived.notify_all()
        reply = self._scripted.popleft() if self._scripted else usual
        return _Played(call, reply(call))

    def _refuse(self, refusal: Refusal | None) -> Response:
        assert refusal is not None
        self.refused.append(refusal)
        return JSONResponse(refusal.body(), refusal.status, {"x-request-id": "req_simulated"})

    async def _picture(self, request: Request) -> Response:
        return Response(endpoint_media.png(), media_type="image/png")

    async def _models(self, request: Request) -> Response:
        self.listings += 1
        refusal = self._unauthorised(request)
        if refusal is None and not self.listed:
            refusal = Refusal(404, "Not found")
        if refusal is not None:
            return JSONResponse(refusal.body(), refusal.status)
        data = []
        for name in self.models:
            shutdown = self.shutdowns.get(name)
            entry = {
                "id": name,
                "object": "model",
                "created": 1,
                "owned_by": "test",
                "shutdown_date": shutdown,
            }
            Model.model_validate(entry, strict=True)
            data.append(entry | ({"max_model_len": self.windows[name]} if name in self.windows else {}))
        return JSONResponse({"object": "list", "data": data})

    def _unauthorised(self, request: Request) -> Refusal | None:
        given = request.headers.get("authorization", "")
        if given == f"Bearer {self.key}":
            return None
        if not given.startswith("Bearer "):
            return Refusal(401, "You didn't provide an API key.")
        # The real one, too, quotes the key that it refuses.
        return Refusal(401, f"Incorrect API key provided: {given[7:]}.", code="invalid_api_key")


async def _no_such_url(request: Request, error: Exception) -> Response:
    refusal = Refusal(404, f"Invalid URL ({request.method} {request.url.path})")
    return JSONResponse(refusal.body(), refusal.status)


class _Played(Response):
    """Sends an answer step by step, and notices when the client leaves."""

    def __init__(self, call: Call, answer: Answer) -> None:
        self._call = call
        self._answer = answer
        self.background = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        leaving = asyncio.create_task(_left(receive))
        playing = asyncio.create_task(self._play(send))
        try:
            await asyncio.wait({leaving, playing}, return_when=asyncio.FIRST_COMPLETED)
            self._call.left = not playing.done()
        finally:
            for task in (leaving, playing):
                task.cancel()
            await asyncio.wait({leaving, playing})
            self._call.closed.set()
        if not playing.cancelled():
            playing.result()

    async def _play(self, send: Send) -> None:
        answer = self._answer
        if answer.before is not None:
            await answer.before.wait()
        headers = {"content-type": answer.media_type, "x-request-id": "req_simulated", **answer.headers}
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
        for step in answer.steps:
            match step:
                case bytes():
                    await send({"type": "http.response.body", "body": step, "more_body": True})
                case asyncio.Event():
                    await send({"type": "http.response.body", "body": b"", "more_body": True})
                    await step.wait()
                case Cut():
                    return  # uvicorn drops the connection of an answer that is not complete
                case _:
                    await asyncio.sleep(step)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


@asynccontextmanager
async def endpoint_simulator(
    key: str = KEY, models: Sequence[str] = MODELS, reasoning: Sequence[str] = ("thinker",)
) -> AsyncIterator[EndpointSimulator]:
    """The simulator on a free port of loopback, in the running loop."""
    simulator = EndpointSimulator(key, models, reasoning)
    async with serve(simulator.app) as port:
        simulator.base_url = f"http://127.0.0.1:{port}/v1"
        yield simulator


@asynccontextmanager
async def serve(app: Any, port: int = 0) -> AsyncIterator[int]:
    """An ASGI application over HTTP on loopback; gives its port. Leaving closes every connection at once.

    It is uvicorn's protocol without uvicorn's server, whose start and stop take a tenth of a second each.
    """
    logging.getLogger("uvicorn.error").setLevel(
        logging.CRITICAL + 1
    )  # it complains about what we do on purpose
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", proxy_headers=False)
    config.load()
    state = ServerState()
    made: list[asyncio.BaseProtocol] = []

    def protocol() -> asyncio.BaseProtocol:
        made.append(config.http_protocol_class(config=config, server_state=state, app_state={}))
        return made[-1]

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in made:
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        for task in list(state.tasks):
            task.cancel()
        if state.tasks:
            await asyncio.wait(list(state.tasks), timeout=5)


@asynccontextmanager
async def silent_port() -> AsyncIterator[int]:
    """A port whose connections are never answered: its queue is full, so that a SYN is dropped."""
    held: list[socket.socket] = []
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        try:
            for _ in range(3):
                one = socket.socket()
                held.append(one)
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
            yield listener.getsockname()[1]
        finally:
            for one in held:
                one.close()


def refused_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until killed; prints the base URL on a line of its own."""
    parser = argparse.ArgumentParser(prog="tests.simulators.endpoint", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each word")
    parser.add_argument("--key", default=KEY)
    parser.add_argument("--models", default=",".join(MODELS), help="with commas")
    given = parser.parse_args(arguments)
    simulator = EndpointSimulator(given.key, given.models.split(","))
    simulator.reply = say(lambda call: call.text, delay=given.delay)

    async def run() -> None:
        async with serve(simulator.app, given.port) as port:
            sys.stdout.write(f"http://127.0.0.1:{port}/v1\n")
            sys.stdout.flush()
            await asyncio.Event().wait()

    asyncio.run(run())


if __name__ == "__main__":
    main()
