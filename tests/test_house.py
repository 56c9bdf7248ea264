"""The rules of the house that a reader would otherwise have to watch over."""

from __future__ import annotations

import ast
import gc
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.metadata import distribution, entry_points
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parent.parent
PLATFORMS = re.compile(r"telegram|slack|wechat|weixin|wecom|discord|whatsapp|lark|dingtalk", re.IGNORECASE)

BORDERS = {
    "bot/app.py": 1,  # the supervisor: one platform's fault must not end the others
    "bot/middleware.py": 1,  # the report: what nobody expected is still said in plain words
    "bot/server/guards.py": 1,  # one request's fault is answered with 500, and must not end the server
    "bot/telemetry.py": 3,  # a line of the log may not fail, whatever the `__repr__` of its values does
    "bot/worker.py": 1,  # one message's fault must not end the others
}
"""Where everything may be caught, and how often."""

pytestmark = pytest.mark.xdist_group("house")  # everything is parsed in one process only


@cache
def tree_of(path: Path) -> ast.Module:
    # A finaliser that parses amid the parsing makes CPython 3.11 lose count of its depth (pytest-dev/pytest#10763).
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _read() -> Iterator[None]:
    """What was read takes 150 MB: it goes with the last of these tests."""
    yield
    tree_of.cache_clear()


def sources(*folders: str) -> dict[str, ast.Module]:
    """Path from the root → syntax tree, of every Python file below the folders."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    assert paths, f"nothing to read in {folders}"
    return {str(path.relative_to(ROOT)): tree_of(path) for path in paths}


def places(
    trees: dict[str, ast.Module], wrong: Callable[[ast.AST], bool], *, apart: Sequence[str] = ()
) -> list[str]:
    """`path:line` of every node that is wrong, outside of the paths that begin with one of `apart`."""
    return [
        f"{path}:{getattr(node, 'lineno', 1)}"
        for path, tree in trees.items()
        if not path.startswith(tuple(apart))
        for node in ast.walk(tree)
        if wrong(node)
    ]


def imported(node: ast.AST) -> list[str]:
    """The full names of the modules and names that a node imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


# --- layers ------------------------------------------------------------------------------------------------


def test_the_import_contracts_hold() -> None:
    # In a process of its own, because it configures the logging of the whole process.
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()"]
    linted = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


def test_an_adapter_sees_the_contract_and_the_settings_only() -> None:
    def strange(node: ast.AST) -> bool:
        return any(within(n, "bot") and not within(n, "bot.api", "bot.settings") for n in imported(node))

    assert places(sources("adapters"), strange) == []


def test_an_adapter_knows_no_other() -> None:
    faults = []
    for path, tree in sources("adapters").items():
        own = path.split("/")[1].removesuffix(".py")
        names = [name for node in ast.walk(tree) for name in imported(node) if within(name, "adapters")]
        others = [n for n in names if not within(n, f"adapters.{own}") and not n.startswith("adapters._")]
        faults += [f"{path} imports {name}" for name in others]
    assert faults == []


def test_http_is_asked_in_one_place_only() -> None:
    def asks(node: ast.AST) -> bool:
        return any(within(name, "httpx", "requests", "urllib.request") for name in imported(node))

    assert places(sources("bot"), asks, apart=["bot/endpoints/"]) == []


def test_the_core_names_no_platform() -> None:
    faults = []
    for path, tree in sources("bot").items():
        prose = {id(text) for text in docstrings(tree)}
        faults += [
            f"{path}:{getattr(node, 'lineno', 1)} {name}"
            for node in ast.walk(tree)
            for name in named(node)
            if id(node) not in prose and PLATFORMS.search(name)
        ]
    assert faults == []


def docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    """Docstrings, and the strings that stand below a name to explain it."""
    yield from (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))


def named(node: ast.AST) -> list[str]:
    """The identifiers and texts in a node."""
    fields = [getattr(node, field, None) for field in ("id", "attr", "name", "arg", "value")]
    return [text for text in (*fields, *imported(node)) if isinstance(text, str)]


# --- how a module reads ------------------------------------------------------------------------------------


def test_every_module_begins_with_a_sentence_that_says_what_it_is_for() -> None:
    faults = [
        path
        for path, tree in sources("bot", "adapters", "tests").items()
        if not (ast.get_docstring(tree) or "").partition("\n")[0].endswith((".", ":", "?"))
        and (tree.body or path.startswith(("bot", "adapters")))
    ]
    assert faults == []


def test_everything_is_caught_at_the_borders_only() -> None:
    found = places(sources("bot", "adapters"), broad)
    for path, count in BORDERS.items():
        mine = [place for place in found if place.startswith(f"{path}:")]
        assert len(mine) <= count, mine
        found = [place for place in found if place not in mine]
    assert found == []


def broad(node: ast.AST) -> bool:
    """`except:`, `except Exception:`, a tuple with it, or `suppress(Exception)`. Not: clean up and raise."""
    if isinstance(node, ast.ExceptHandler):
        last = node.body[-1]
        passed_on = isinstance(last, ast.Raise) and last.exc is None
        return not passed_on and (node.type is None or _everything(node.type))
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return called == "suppress" and any(map(_everything, node.args))
    return False


def _everything(caught: ast.expr) -> bool:
    members = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(m, ast.Name) and m.id in ("Exception", "BaseException") for m in members)


def swallows(node: ast.AST) -> bool:
    """An `except` that does nothing."""
    return isinstance(node, ast.ExceptHandler) and all(isinstance(s, ast.Pass) for s in node.body)


def test_no_fault_is_swallowed_without_a_word() -> None:
    assert places(sources("bot", "adapters", "tests"), swallows) == []


def test_no_module_changes_its_own_names() -> None:
    assert places(sources("bot", "adapters"), lambda node: isinstance(node, ast.Global)) == []


# --- how it is tested --------------------------------------------------------------------------------------


def patches(node: ast.AST) -> bool:
    """A mock, or a name that is replaced from outside."""
    if any(within(name, "unittest.mock", "mock", "pytest_mock") for name in imported(node)):
        return True
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return node.value.id == "monkeypatch" and node.attr in ("setattr", "delattr", "setitem")
    return isinstance(node, ast.arg) and node.arg == "mocker"


def test_nothing_is_mocked_or_patched() -> None:
    assert places(sources("tests"), patches) == []


@pytest.mark.parametrize(
    ("rule", "wrong", "right"),
    [
        (broad, "try: f()\nexcept: g()", "try: f()\nexcept OSError: g()"),
        (broad, "try: f()\nexcept (OSError, Exception): g()", "try: f()\nexcept Exception:\n g()\n raise"),
        (broad, "with contextlib.suppress(Exception): f()", "with suppress(OSError): f()"),
        (swallows, "try: f()\nexcept OSError: pass", "try: f()\nexcept OSError: g()"),
        (patches, "from unittest import mock", "from unittest import TestCase"),
        (patches, "import unittest.mock as m", "import mockery"),
        (patches, "monkeypatch.setattr(a, 'b', c)", "monkeypatch.setenv('A', 'b')"),
    ],
)
def test_these_rules_tell_wrong_from_right(rule: Callable[[ast.AST], bool], wrong: str, right: str) -> None:
    assert places({"wrong.py": ast.parse(wrong), "right.py": ast.parse(right)}, rule)
    assert places({"right.py": ast.parse(right)}, rule) == []


# --- what is shipped ---------------------------------------------------------------------------------------


def test_every_entry_point_leads_somewhere() -> None:
    entries = list(entry_points(group="parley.adapters"))
    assert entries
    for entry in [*entries, *entry_points(group="console_scripts", name="parley")]:
        assert callable(entry.load()), entry


def test_an_adapters_name_is_its_entry_points() -> None:
    names = {entry.name: entry.load().name for entry in entry_points(group="parley.adapters")}
    assert names == {name: name for name in names}


def test_the_wheel_holds_every_file_of_the_two_packages_and_no_other() -> None:
    shipped = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    needed = {
        str(path.relative_to(ROOT))
        for package in ("bot", "adapters")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped == needed
    assert {Path(name).suffix for name in shipped} >= {".py", ".lua", ".toml", ".js", ".css", ".html"}


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_the_pins_hold_no_addresses_and_each_has_its_hash(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    pins = re.findall(r"^[A-Za-z0-9._-]+(?:\[[^]]*\])?==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    assert len(pins) > 20
    assert [pin.splitlines()[0] for pin in pins if "--hash=sha256:" not in pin] == []


def test_what_is_imported_at_run_time_is_declared() -> None:
    declared = {
        re.split(r"[\s\[<>=!;]", need)[0].lower() for need in distribution("parley-bot").requires or ()
    }
    known_as = {"prompt_toolkit": "prompt-toolkit", "dotenv": "python-dotenv", "splintr": "splintr-rs"}
    known_as |= {
        "pydantic_core": "pydantic",
        "markdown_it": "markdown-it-py",
        "httpx_aiohttp": "httpx-aiohttp",
        "slack_bolt": "slack-bolt",
        "slack_sdk": "slack-bolt",  # its other half, of the same house
        "telegram": "python-telegram-bot",
        "telegramify_markdown": "telegramify-markdown",
    }
    known_as |= {
        "PIL": "pillow",
        "bs4": "markdownify",  # which takes its trees
        "charset_normalizer": "charset-normalizer",
        "docx": "python-docx",
        "lxml": "python-docx",  # whose faults are its own
        "pi_heif": "pi-heif",
        "pptx": "python-pptx",
        "pysilk": "silk-python",
        "yarl": "aiohttp",  # whose addresses are its own
    }
    builtin = {"bot", "adapters", "__future__"}
    names = {
        name.partition(".")[0]
        for tree in sources("bot", "adapters").values()
        for node in ast.walk(tree)
        for name in imported(node)
    }
    foreign = names - set(sys.stdlib_module_names) - builtin
    assert foreign
    assert {known_as.get(name, name) for name in foreign} - declared == set()
