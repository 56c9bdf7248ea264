"""The web chat's routes: JSON and server-sent events, as `docs/web-interface.md` describes them."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from adapters._feed import asked, entries, log_of
from adapters._shelf import LIMIT, Shelf
from adapters.web import guard, media, parse, shown
from adapters.web.guard import Guard, Refusal
from adapters.web.session import COOKIE, LIFETIME, Attempts, Sessions
from adapters.web.stream import EventStream, Pace, Streams, events
from adapters.web.words import first_language, say
from bot.api import Accepted, Busy, Duplicate, Ignored, Incoming, MenuEntry, Store, Submit, Unavailable

UPLOADS = 2
"""Files that one process takes in at once: one of 20 MB takes some 120 MB while it is written to the store."""

READING = 120.0
"""Seconds that a file may be on its way, however steadily it comes: so long it keeps others from theirs."""

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class File:
    """A file of the package, ready to be sent."""

    body: bytes
    kind: str
    etag: str


def files(folder: Path) -> Mapping[str, File]:
    """Everything in a folder of the package by its name; nothing else can be asked for."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith("."):
            body = path.read_bytes()
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            found[path.name] = File(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
    return found


@dataclass(slots=True)
class Interface:
    """The endpoints. `commands` is the menu; `secure` tells that browsers come by https."""

    store: Store
    shelf: Shelf
    submit: Submit
    guard: Guard
    sessions: Sessions
    files: Mapping[str, File]
    commands: Callable[[], Sequence[MenuEntry]]
    secure: bool = False
    pace: Pace = field(default_factory=Pace)
    streams: Streams = field(default_factory=Streams)
    attempts: Attempts = field(default_factory=Attempts)
    uploads: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(UPLOADS))
    patience: float = 10.0  # seconds that an upload waits for its turn
    reading: float = READING  # seconds that it may be on its way
    clock: Callable[[], float] = time.time
    ids: Callable[[], str] = lambda: f"stop-{secrets.token_hex(8)}"

    def routes(self) -> list[Route]:
        """What the HTTP server serves."""
        return [
            self._route("GET", "/", self.page),
            self._route("POST", "/login", self.login),
            self._route("GET", "/static/{file}", self.static),
            self._route("POST", "/api/session", self.token),
            self._route("GET", "/api/history", self.history),
            self._route("POST", "/api/messages", self.message),
            self._route("POST", "/api/media", self.upload, body_limit=LIMIT),
            self._route("GET", "/api/media/{id}", self.media),
            self._route("POST", "/api/stop", self.stop),
            self._route("GET", "/api/events", self.events),
            self._route("GET", "/api/commands", self.menu),
        ]

    def _route(self, method: str, path: str, endpoint: Endpoint, *, body_limit: int = 0) -> Route:
        async def answer(request: Request) -> Response:
            try:
                self.guard.admit(request)
                response = await endpoint(request)
            except Refusal as refusal:
                response = _refused(request, refusal)
            except Unavailable:
                response = _refused(request, Refusal(503, "away", retry_after=2))
            for name, value in guard.HEADERS.items():
                response.headers.setdefault(name, value)
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        if body_limit:  # we refuse what is larger in plain words, and the server only what is far larger
            vars(answer)["body_limit"] = 2 * body_limit
        return Route(path, answer, methods=[method])

    # --- the page ------------------------------------------------------------------------------------------

    async def page(self, request: Request) -> Response:
        """The chat, or the question for the password. Opening it begins or renews the session."""
        front = self._file(request, "login.html" if self.sessions.closed else "index.html")
        try:
            session = await self._session(request)
            if session is None and self.sessions.closed:
                return front
            response = self._file(request, "index.html")
            await self._sign_in(response, session)
        except Unavailable:
            return front  # it tells the person better than we could here
        return response

    async def login(self, request: Request) -> Response:
        """The password from a form or as JSON, in exchange for the cookie."""
        kind = request.headers.get("content-type", "")
        session = await self._enter(request, parse.password(await guard.body(request), kind))
        form = kind.startswith("application/x-www-form-urlencoded")
        response = RedirectResponse("/", 303) if form else Response(status_code=204)
        await self._sign_in(response, session)
        return response

    async def static(self, request: Request) -> Response:
        """A file of the page."""
        return self._file(request, request.path_params["file"])

    def _file(self, request: Request, name: str) -> Response:
        file = self.files.get(name)
        if file is None:
            raise Refusal(404, "no_file")
        headers = {"ETag": file.etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        return Response(file.body, media_type=file.kind, headers=headers)

    # --- the session ---------------------------------------------------------------------------------------

    async def token(self, request: Request) -> Response:
        """A session for a front end that keeps no cookies."""
        raw = await guard.body(request)
        session = await self._session(request)
        if session is None:
            session = await self._enter(request, parse.password(raw, "application/json"))
        return JSONResponse({"token": await self.sessions.issue(session)})

    async def _enter(self, request: Request, password: str) -> str | None:
        """The session that the caller has already, if any. Raises `Refusal` where the password is wrong."""
        if self.sessions.closed and not self.attempts.allow(request.client.host if request.client else ""):
            raise Refusal(429, "attempts", retry_after=60)
        if not self.sessions.opens(password):
            raise Refusal(401, "password")
        return await self._session(request)

    async def _sign_in(self, response: Response, session: str | None) -> None:
        token = await self.sessions.issue(session)
        response.set_cookie(
            COOKIE, token, max_age=LIFETIME, path="/", secure=self.secure, httponly=True, samesite="strict"
        )

    async def _session(self, request: Request) -> str | None:
        return await self.sessions.verify(guard.bearer(request) or request.cookies.get(COOKIE, ""))

    async def _known(self, request: Request) -> str:
        session = await self._session(request)
        if session is None:
            raise Refusal(401, "no_session")
        return session

    # --- the dialogue --------------------------------------------------------------------------------------

    async def history(self, request: Request) -> Response:
        """What has been said, and the cursor for `events`."""
        log = await entries(self.store, log_of(await self._known(request)))
        return JSONResponse(await asyncio.to_thread(shown.history, log))

    async def message(self, request: Request) -> Response:
        """Accept a message: 202, or 200 where it was accepted before."""
        session = await self._known(request)
        raw = await guard.body(request)
        incoming = parse.parse(raw, session, language=_language(request), now=self.clock())
        if incoming.attachments:
            incoming = parse.attached(incoming, await self.shelf.known(session))
        outcome = await self._submitted(incoming)
        if not isinstance(outcome, Ignored):
            # Also for a duplicate: the first delivery may have died between being accepted and being told.
            await self._tell(incoming)
        return _told(incoming, outcome)

    async def upload(self, request: Request) -> Response:
        """Keep a file, to be sent with a message: 201 and its id."""
        session = await self._known(request)
        async with self._uploading():
            try:
                async with asyncio.timeout(self.reading):
                    data = await guard.body(request, LIMIT, "media_large")
            except TimeoutError:
                raise Refusal(408, "media_slow") from None
            if not data:
                raise Refusal(400, "media_empty")
            mime, name = request.headers.get("content-type", ""), request.query_params.get("name", "")
            kept = await self.shelf.keep(session, data, mime=mime, name=name)
        return JSONResponse(media.told(kept), 201)

    @asynccontextmanager
    async def _uploading(self) -> AsyncIterator[None]:
        """One of few uploads at once, because each is in memory as a whole; until then its body is not read."""
        try:
            async with asyncio.timeout(self.patience):
                await self.uploads.acquire()
        except TimeoutError:
            raise Refusal(429, "media_busy", retry_after=2) from None
        try:
            yield
        finally:
            self.uploads.release()

    async def media(self, request: Request) -> Response:
        """The bytes of what was sent or answered."""
        session, id = await self._known(request), request.path_params["id"]
        kept = (await self.shelf.known(session)).get(id)
        data = await self.shelf.data(session, id) if kept else None
        if kept is None or data is None:
            raise Refusal(404, "media_gone")
        return media.response(kept, data, request.headers.get("range", ""))

    async def stop(self, request: Request) -> Response:
        """Stop the answer under way: the command `/stop`, without a question on the page."""
        session = await self._known(request)
        language, now = _language(request), self.clock()
        incoming = parse.incoming(self.ids(), "/stop", session, language=language, now=now)
        return _told(incoming, await self._submitted(incoming))

    async def _submitted(self, incoming: Incoming) -> Accepted | Duplicate | Ignored:
        outcome = await self.submit(incoming)
        if isinstance(outcome, Busy):
            raise Refusal(429, text=outcome.text, retry_after=2)
        return outcome

    async def _tell(self, incoming: Incoming) -> None:
        """Show the question in the other windows; where that fails it shows once its answer begins."""
        try:
            await asked(self.store, log_of(incoming.place.chat), incoming)
        except Unavailable:
            return

    async def events(self, request: Request) -> Response:
        """The stream of events behind a cursor."""
        session = await self._known(request)
        after = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
        if self.streams.full(session):
            raise Refusal(429, "streams", retry_after=5)
        source = events(self.store, log_of(session), parse.cursor(after), self.pace)
        return EventStream(source, self.streams, session)

    async def menu(self, request: Request) -> Response:
        """The commands, for suggestions while a person types."""
        await self._known(request)
        return JSONResponse(
            [{"name": entry.name, "descriptions": dict(entry.descriptions)} for entry in self.commands()]
        )


def _told(incoming: Incoming, outcome: Accepted | Duplicate | Ignored) -> Response:
    match outcome:
        case Accepted(ref, behind):
            return JSONResponse({"id": incoming.id, "ref": ref, "behind": behind}, 202)
        case Duplicate(ref):
            return JSONResponse({"id": incoming.id, "ref": ref, "duplicate": True})
        case Ignored():
            return JSONResponse({"id": incoming.id, "ref": "", "silent": True}, 202)


def _language(request: Request) -> str:
    return first_language(request.headers.get("accept-language", ""))


def _refused(request: Request, refusal: Refusal) -> Response:
    told = refusal.text or say(_language(request), refusal.key)
    return JSONResponse({"error": told}, refusal.status, headers=refusal.headers)
