"""Whether a configured server answers, takes its key and has its model, without anything that costs money."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from bot.api import Finding
from bot.endpoints.client import Client
from bot.endpoints.models import Model, list_models
from bot.endpoints.settings import Candidate
from bot.errors import KeyRejected, ParleyError, QuotaExhausted, WrongAddress

_SHUTDOWN_SOON = 60  # days


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked at: a candidate, the variable of its model, and what takes a model where none is set."""

    candidate: Candidate
    variable: str
    pick: Callable[[Sequence[Model]], str]


async def examine(client: Client, look: Look, today: date) -> list[Finding]:
    """What there is to say about a candidate. Raises nothing."""
    server = look.candidate.server
    try:
        listed = await list_models(client, server)
    except ParleyError as error:
        return [_fault(error, look.candidate)]
    found = [Finding(f"{server.variable}_BASE_URL", True, f"{server.base_url} answers and takes the key")]
    model = look.candidate.model or look.pick(listed)
    if not model:
        kind = "chat model" if look.variable in ("CHAT_MODEL", "VISION_MODEL") else "model for it"
        detail = f"not set, and {server.host} lists no {kind}"
        return [*found, Finding(look.variable, False, detail, f"set {look.variable}")]
    return [*found, _model(model, listed, look.variable, today)]


def _model(model: str, listed: Sequence[Model], variable: str, today: date) -> Finding:
    known = next((m for m in listed if m.id == model), None)
    if known is None:
        near = ", ".join(difflib.get_close_matches(model, [m.id for m in listed], 3))
        remedy = f"did you mean {near}?" if near else "choose one that the server lists"
        return Finding(variable, False, f"{model} is not among the server's models", remedy)
    try:
        days = (date.fromisoformat(known.shutdown[:10]) - today).days if known.shutdown else None
    except ValueError:
        days = None
    if days is not None and days <= _SHUTDOWN_SOON:
        remedy = "choose its successor"
        return Finding(variable, False, f"{model} will be shut down on {known.shutdown[:10]}", remedy)
    return Finding(variable, True, f"{model} is there")


def _fault(error: ParleyError, candidate: Candidate) -> Finding:
    """What is said of a server that does not list its models."""
    server = candidate.server
    where, key = f"{server.variable}_BASE_URL", f"{server.variable}_API_KEY"
    match error:
        case KeyRejected():
            return Finding(key, False, str(error), "set the key that the provider gave you")
        case QuotaExhausted():
            return Finding(key, False, str(error), "add credit at the provider")
        case WrongAddress() if candidate.model and " 404" in str(error):  # Z.ai, for one, lists none
            return Finding(where, True, f"{server.base_url} answers, but lists no models")
        case WrongAddress():
            return Finding(where, False, str(error), "write the address up to /v1, as the provider gives it")
        case _:
            return Finding(where, False, str(error), "is the server running, and the address right?")
