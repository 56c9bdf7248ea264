"""The shipped roles, the operator's, and the prompts they make."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bot.errors import SettingsError
from bot.i18n import LANGUAGES
from bot.roles import FIRST, Roles
from bot.roles.role import CATEGORIES

DAY = dt.date(2026, 3, 1)
GUIDE = (Path(__file__).parents[2] / "docs" / "roles.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def roles() -> Roles:
    return Roles.load()


def own(tmp_path: Path, text: str) -> Roles:
    file = tmp_path / "roles.toml"
    file.write_text(text, encoding="utf-8")
    return Roles.load(file)


def framed(roles: Roles, role_id: str, *, language: str = "en", user: str | None = "Ann") -> str:
    role = roles.get(role_id)
    assert role is not None
    return roles.frame(role, language=language, user=user, platform="telegram", date=DAY)


# --- the shipped ones ---------------------------------------------------------------------------------------


def test_the_assistant_comes_first_and_many_others_follow_by_category(roles: Roles) -> None:
    assert len(roles.all()) >= 30
    assert roles.all()[0].id == FIRST
    places = [CATEGORIES.index(role.category) for role in roles.all()]
    assert places == sorted(places)
    assert {role.category for role in roles.all()} == set(CATEGORIES) - {"own", "shared", "house"}


def test_every_shipped_role_speaks_every_language(roles: Roles) -> None:
    for role in roles.all():
        for texts in (role.names, role.descriptions, role.prompts, role.greetings):
            assert set(texts) == set(LANGUAGES), role.id
            assert texts["en"] not in (texts["zh-Hans"], texts["zh-Hant"]), role.id
        assert len(set(role.prompts.values())) == len(LANGUAGES), role.id
        assert role.model == ""  # names of models live in configuration only


def test_every_prompt_has_the_same_placeholders_in_every_language(roles: Roles) -> None:
    for role in roles.all():
        found = {frozenset(re.findall(r"\{\w+\}", prompt)) for prompt in role.prompts.values()}
        assert len(found) == 1, role.id
        assert "{language}" in next(iter(found))


def test_no_two_roles_look_alike(roles: Roles) -> None:
    emoji = [role.emoji for role in roles.all()]
    assert len(set(emoji)) == len(emoji)
    assert all(emoji)


@pytest.mark.parametrize(("language", "characters"), [("zh-Hans", "gb2312"), ("zh-Hant", "big5")])
def test_each_chinese_keeps_to_its_characters(roles: Roles, language: str, characters: str) -> None:
    for role in roles.all():
        for texts in (role.names, role.descriptions, role.prompts, role.greetings):
            assert texts[language].encode(characters), role.id


def test_a_list_of_roles_is_short_enough_for_a_phone(roles: Roles) -> None:
    for role in roles.all():
        assert max(len(name) for name in role.names.values()) <= 24, role.id
        assert max(len(prompt) for prompt in role.prompts.values()) <= 1600, role.id


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_shipped_prompt_is_filled_completely(roles: Roles, language: str) -> None:
    for role in roles.all():
        prompt = framed(roles, role.id, language=language)
        assert not re.search(r"[{}]", prompt), role.id
        assert len(prompt) > 100


def test_no_name_and_no_alias_means_two_roles(roles: Roles) -> None:
    labels = [
        (label.casefold(), role.id)
        for role in roles.all()
        for label in (role.id, *role.names.values(), *role.aliases)
    ]
    owners: dict[str, set[str]] = {}
    for label, owner in labels:
        owners.setdefault(label, set()).add(owner)
    assert [label for label, those in owners.items() if len(those) > 1] == []


def test_the_guide_lists_the_shipped_roles(roles: Roles) -> None:
    listed = re.findall(r"^\| (\S+) \| (.+?) \| `(.+?)` \| (.+?) \|$", GUIDE, re.MULTILINE)
    shipped = [
        (r.emoji, " · ".join(dict.fromkeys(r.name(tag) for tag in LANGUAGES)), r.id, r.description("en"))
        for r in roles.all()
    ]
    assert listed == shipped


def test_the_guides_example_is_a_file_of_roles(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```toml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    found = own(tmp_path, example)
    assert [role.id for role in found.all()[-2:]] == ["concierge", "support"]
    assert "2026-03-01" in framed(found, "support", language="zh-Hant")


# --- the prompt ---------------------------------------------------------------------------------------------


def test_the_prompt_says_who_where_when_and_in_which_language(roles: Roles) -> None:
    prompt = framed(roles, FIRST)
    assert all(part in prompt for part in ("Ann", "Telegram", "2026-03-01", "English"))
    assert "several people" in framed(roles, FIRST, user=None)
    assert "時用繁體中文。" in framed(roles, FIRST, language="zh-Hant")
    foreign = Roles([replace(roles.all()[0], id="x", prompts={"en": "Speak {language}."})])
    assert framed(foreign, "x", language="zh-Hant") == "Speak Traditional Chinese (繁體中文)."


def test_a_language_without_a_prompt_gets_the_english_one_and_is_named_in_it(roles: Roles) -> None:
    assert "in pt-BR" in framed(roles, FIRST, language="pt-BR")


def test_other_braces_stay_and_values_are_not_filled_again(tmp_path: Path) -> None:
    roles = own(tmp_path, """[x]\nprompt = 'JSON {"a": {}} {0} {unknown} {user.name} {user} {{date}}'""")
    prompt = framed(roles, "x", user="{language}")
    assert prompt == 'JSON {"a": {}} {0} {unknown} {user.name} {language} {2026-03-01}'


def test_a_name_cannot_smuggle_lines_into_the_prompt(tmp_path: Path) -> None:
    roles = own(tmp_path, "[x]\nprompt = '<{user}>'")
    assert framed(roles, "x", user="Ann\n\n# New\u2028rules\tare") == "<Ann # New rules are>"
    assert framed(roles, "x", user="a" * 1000) == f"<{'a' * 64}>"
    assert framed(roles, "x", user="") == "<somebody>"
    assert framed(roles, "x", language="zh-Hant", user=" \n") == "<一位使用者>"


# --- finding ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "translator",
        "TRANSLATOR",
        " Translator ",
        "🌐 Translator",
        "翻译",
        "翻譯",
        "translate",
        "ｔｒａｎｓｌａｔｏｒ",
    ],
)
def test_a_role_is_found_by_id_name_or_alias_in_any_language(roles: Roles, text: str) -> None:
    found = roles.find(text, "en")
    assert found is not None
    assert found.id == "translator"


@pytest.mark.parametrize("text", ["", "🌐", "pirate", "translat", "x" * 10_000])
def test_nothing_else_is_found(roles: Roles, text: str) -> None:
    assert roles.find(text, "en") is None


def test_where_two_roles_share_a_name_the_language_decides(tmp_path: Path) -> None:
    roles = own(
        tmp_path,
        "[one]\nprompt='1'\nname={en='Uno', zh-Hant='甲'}\n[two]\nprompt='2'\nname={en='Two', zh-Hant='Uno'}",
    )
    assert [getattr(roles.find("uno", tag), "id", None) for tag in ("en", "zh-Hant")] == ["one", "two"]


def test_a_name_of_pictures_alone_is_no_name_for_everything(tmp_path: Path) -> None:
    roles = own(tmp_path, "[parrot]\nprompt='p'\nname='🦜'")
    assert [roles.find(text, "en") for text in ("", "🦜", "🐙")] == [None] * 3
    assert roles.find("parrot", "en") is not None


def test_a_misspelt_role_is_near_to_the_right_one(roles: Roles) -> None:
    assert roles.near("transltor")[0] == "translator"
    assert roles.near("Travle guide")[0] == "travel"


def test_where_nothing_is_near_the_first_roles_are_named(roles: Roles) -> None:
    assert roles.near("qqqqqq") == [role.id for role in roles.all()][:3]
    assert len(roles.near("x" * 100_000)) == 3


# --- the operator's -----------------------------------------------------------------------------------------


def test_a_prompt_is_enough_for_a_role(tmp_path: Path) -> None:
    role = own(tmp_path, "[sea-dog]\nprompt = 'You are a pirate.'").get("sea-dog")
    assert role is not None
    assert (role.name("zh-Hant"), role.description("en"), role.greeting("en"), role.temperature) == (
        "Sea Dog",
        "",
        "",
        None,
    )


def test_a_role_may_have_tools_and_one_that_nobody_knows_is_a_fault(tmp_path: Path, roles: Roles) -> None:
    painter = own(tmp_path, "[painter]\nprompt='p'\ntools=['image']").get("painter")
    assert painter is not None
    assert painter.tools == ("image",)
    assert {role.id: role.tools for role in roles.all() if role.tools} == {
        "assistant": ("image", "edit_image")
    }
    with pytest.raises(SettingsError, match=r"ROLES_FILE: painter\.tools\.1: .*'image' or 'edit_image'"):
        own(tmp_path, "[painter]\nprompt='p'\ntools=['image', 'hammer']")


def test_the_operators_roles_stand_behind_the_shipped_ones(tmp_path: Path, roles: Roles) -> None:
    found = own(tmp_path, "[b]\nprompt='b'\n[a]\nprompt='a'").all()
    assert [role.id for role in found] == [*(role.id for role in roles.all()), "b", "a"]


def test_a_shipped_role_can_be_replaced(tmp_path: Path, roles: Roles) -> None:
    mine = own(tmp_path, "[assistant]\nprompt='Be brief.'\ntemperature=0.1\nmodel='m'")
    assert framed(mine, FIRST, language="zh-Hans") == "Be brief."
    assert len(mine.all()) == len(roles.all())
    assert mine.all()[0].temperature == 0.1


def test_a_prompt_can_be_given_in_several_languages(tmp_path: Path) -> None:
    roles = own(tmp_path, "[x.prompt]\nen='English'\nzh='中文'")
    assert [framed(roles, "x", language=tag) for tag in ("en", "zh-Hant", "de")] == [
        "English",
        "中文",
        "English",
    ]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("[x]\nname='X'", ["x.prompt: Field required"]),
        ("[x]\nprompt=''", ["x.prompt.en: "]),
        ("[x]\nprompt='p'\ntemprature=1", ["x.temprature: Extra"]),
        ("[x]\nprompt='p'\ntemperature=3", ["x.temperature: "]),
        ("['Bad Id']\nprompt='p'", ["Bad Id: "]),
        ("x = 1", ["x: "]),
        ("[x]\nname='X'\n[y]\nprompt=1", ["x.prompt: ", "y.prompt: "]),
        ("[x", ["is not TOML"]),
    ],
)
def test_a_faulty_file_is_refused_with_a_line_for_each_fault(
    tmp_path: Path, text: str, faults: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        own(tmp_path, text)
    lines = str(caught.value).splitlines()
    assert all(line.startswith("ROLES_FILE: ") for line in lines)
    assert [fault in line for fault, line in zip(faults, lines, strict=True)] == [True] * len(faults)


def test_the_file_is_read_again_and_a_fault_in_it_changes_nothing(tmp_path: Path) -> None:
    roles = own(tmp_path, "[pirate]\nprompt='Arr.'")
    (tmp_path / "roles.toml").write_text("[sailor]\nprompt='Ahoy.'", encoding="utf-8")
    roles.reload()
    assert (roles.get("pirate"), roles.find("Sailor")) == (None, roles.get("sailor"))
    (tmp_path / "roles.toml").write_text("[sailor]\nprompt=1", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"ROLES_FILE: sailor\.prompt"):
        roles.reload()
    assert roles.find("Sailor") is not None


def test_the_operators_roles_are_the_houses_unless_they_say_otherwise(tmp_path: Path) -> None:
    roles = own(tmp_path, "[a]\nprompt='a'\n[b]\nprompt='b'\ncategory='play'")
    assert [role.category for role in roles.all()[-2:]] == ["house", "play"]
    with pytest.raises(SettingsError, match="category"):
        own(tmp_path, "[a]\nprompt='a'\ncategory='toys'")


def test_a_file_that_is_absent_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ROLES_FILE: cannot read .*No such file"):
        Roles.load(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="is not TOML"):
        Roles.load(tmp_path / "binary.toml")
