"""The modals and Home tabs that people have before them, and the methods that open and change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulators.slack import blocks as kit
from tests.simulators.slack import reading
from tests.simulators.slack.api import Asked
from tests.simulators.slack.refusal import Refused

if TYPE_CHECKING:
    from tests.simulators.slack.person import Person

_STACK = 3  # views (views.push)


@dataclass(eq=False)
class View:
    """A modal or Home tab. `values` are what its person has put in, by block and action."""

    id: str
    person: Person = field(repr=False)
    document: dict[str, Any]
    hash: str
    root: str
    previous: str | None = None
    errors: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    closed: bool = False

    @property
    def kind(self) -> str:
        """home or modal."""
        return str(self.document["type"])

    @property
    def blocks(self) -> list[dict[str, Any]]:
        """Its blocks, with ids."""
        return list(self.document["blocks"])

    @property
    def title(self) -> str:
        """A modal's title."""
        return str(self.document.get("title", {}).get("text", ""))

    @property
    def shown(self) -> str:
        """What the person reads, without the labels of controls."""
        return reading.read(self.blocks, self.person.sim.name)

    @property
    def buttons(self) -> list[str]:
        """The labels of its buttons."""
        return reading.buttons(self.blocks)

    def options(self, action_id: str) -> list[str]:
        """The texts of a select's options."""
        for _, element in reading.controls(self.blocks):
            if element["action_id"] == action_id:
                return [option["text"]["text"] for option in element["options"]]
        raise LookupError(f"no {action_id!r} in the view")

    def json(self) -> dict[str, Any]:
        """The view as methods and payloads give it."""
        sim, team = self.person.sim, self.person.team
        return {
            "callback_id": "",
            "private_metadata": "",
            "external_id": "",
            **self.document,
            "id": self.id,
            "team_id": team.id,
            "app_id": sim.app_id,
            "bot_id": team.bot,
            "hash": self.hash,
            "root_view_id": self.root,
            "previous_view_id": self.previous,
            "state": {"values": self.values},
        }

    def change(self, document: dict[str, Any], hash: str) -> None:
        """Put something else in its place; what was put into blocks that stay is kept."""
        self.document, self.hash, self.errors = document, hash, {}
        ids = {block["block_id"] for block in document["blocks"]}
        self.values = {key: value for key, value in self.values.items() if key in ids}
        self.start()

    def start(self) -> None:
        """Take the values that the controls begin with."""
        for block, element in reading.controls(self.blocks):
            if "initial_value" in element or "initial_option" in element:
                values = self.values.setdefault(block["block_id"], {})
                values.setdefault(element["action_id"], _initial(element))


def _initial(element: Mapping[str, Any]) -> dict[str, Any]:
    if "initial_option" in element:
        return {"type": element["type"], "selected_option": element["initial_option"]}
    return {"type": element["type"], "value": element["initial_value"]}


def stack(person: Person, document: dict[str, Any]) -> View:
    """A new modal on top of the person's."""
    top = person.modal
    id = person.sim.id("V")
    made = View(id, person, document, person.sim.hash(), top.root if top else id, top.id if top else None)
    made.start()
    person.modals.append(made)
    person.sim.views[id] = made
    return made


async def opened(asked: Asked) -> Mapping[str, Any]:
    """views.open."""
    document = kit.view(asked["view"], "modal")
    _external(asked, document)
    person = asked.sim.triggers.exchange(asked)
    person.modals.clear()
    return {"view": stack(person, document).json()}


async def pushed(asked: Asked) -> Mapping[str, Any]:
    """views.push."""
    document = kit.view(asked["view"], "modal")
    _external(asked, document)
    person = asked.sim.triggers.exchange(asked)
    if not person.modals:
        raise Refused("not_found")
    if len(person.modals) >= _STACK:
        raise Refused("push_limit_reached")
    return {"view": stack(person, document).json()}


async def updated(asked: Asked) -> Mapping[str, Any]:
    """views.update."""
    document = kit.view(asked["view"])
    view = asked.sim.views.get(asked["view_id"] or "")
    if asked["external_id"]:
        wanted = asked["external_id"]
        view = next((v for v in asked.sim.views.values() if v.document.get("external_id") == wanted), None)
    if view is None or view.closed or view.person.team is not asked.team:
        raise Refused("not_found")
    if document["type"] != view.kind:
        raise Refused("invalid_arguments", "the type cannot change [json-pointer:/view/type]")
    if asked["hash"] and asked["hash"] != view.hash:
        raise Refused("hash_conflict")
    view.change(document, asked.sim.hash())
    return {"view": view.json()}


async def published(asked: Asked) -> Mapping[str, Any]:
    """views.publish."""
    document = kit.view(asked["view"], "home")
    person = asked.sim.people.get(asked["user_id"])
    if person is None or person.team is not asked.team:
        raise Refused("invalid_arguments", "invalid `user_id`")
    if not asked.sim.home_tab:
        raise Refused("not_enabled")
    if person.home is None:
        id = asked.sim.id("V")
        person.home = View(id, person, document, asked.sim.hash(), id)
        asked.sim.views[id] = person.home
        person.home.start()
        return {"view": person.home.json()}
    if asked["hash"] and asked["hash"] != person.home.hash:
        raise Refused("hash_conflict")
    person.home.change(document, asked.sim.hash())
    return {"view": person.home.json()}


def _external(asked: Asked, document: Mapping[str, Any]) -> None:
    wanted = document.get("external_id")
    if wanted and any(
        v.document.get("external_id") == wanted and not v.closed for v in asked.sim.views.values()
    ):
        raise Refused("duplicate_external_id")
