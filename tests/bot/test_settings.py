"""Settings: what an operator writes, what is said when it is wrong, and how it is documented."""

from pathlib import Path

import pytest

from bot.errors import SettingsError
from bot.settings import Block, DialogueSettings, Settings, environment, example, secrets, suspects


def test_durations_switches_and_numbers_are_written_for_people():
    running = Settings.load({"LEASE": "1500ms", "DRAIN": "5m", "CONCURRENCY": "7"})
    assert (running.lease, running.drain, running.concurrency) == (1.5, 300, 7)
    assert DialogueSettings.load({"CONTEXT_TTL": "7d"}).context_ttl == 7 * 86400


def test_an_empty_variable_counts_as_unset():
    assert Settings.load({"HTTP_PORT": " "}).http_port == 8080


def test_every_faulty_variable_is_named_at_once_and_its_value_is_not_repeated():
    with pytest.raises(SettingsError) as caught:
        Settings.load({"HTTP_PORT": "s3cret", "LEASE": "soon", "LOG_FORMAT": "xml"})
    text = str(caught.value)
    assert [line.split(":")[0] for line in text.splitlines()] == ["HTTP_PORT", "LEASE", "LOG_FORMAT"]
    assert "write a duration such as 30s, 5m or 7d" in text
    assert "s3cret" not in text


def test_the_process_wins_over_the_file(tmp_path: Path):
    (tmp_path / ".env").write_text("HTTP_PORT=1\nLOG_LEVEL=debug\n")
    found = environment(tmp_path / ".env", {"HTTP_PORT": "2"})
    assert (found["HTTP_PORT"], found["LOG_LEVEL"]) == ("2", "debug")


def test_a_secret_may_stand_in_a_file(tmp_path: Path):
    (tmp_path / "key").write_text("redis://:hunter2@db/0\n")
    found = environment(tmp_path / ".env", {"REDIS_URL_FILE": str(tmp_path / "key")})
    running = Settings.load(found)
    assert secrets([running]) == {"redis://:hunter2@db/0"}
    assert "hunter2" not in repr(running)


def test_a_file_in_another_encoding_is_named_and_not_quoted(tmp_path: Path):
    written = "WEB_PASSWORD=hunter2\n# 密码".encode("gbk")
    (tmp_path / ".env").write_bytes(written)
    with pytest.raises(SettingsError, match=r"\.env: is not in UTF-8") as fault:
        environment(tmp_path / ".env", {})
    assert "hunter2" not in str(fault.value)
    (tmp_path / "key").write_bytes(written)
    with pytest.raises(SettingsError, match=r"REDIS_URL_FILE: .* holds no text"):
        environment(tmp_path / "none", {"REDIS_URL_FILE": str(tmp_path / "key")})


def test_a_secret_file_that_cannot_be_read_is_said(tmp_path: Path):
    with pytest.raises(SettingsError, match=r"REDIS_URL_FILE: cannot read .*: No such file"):
        environment(tmp_path / ".env", {"REDIS_URL_FILE": str(tmp_path / "missing")})


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("REDIS_UR", "REDIS_URL"),
        ("HTTPPORT", "HTTP_PORT"),
        ("LOG_LEVL", "LOG_LEVEL"),
        ("CONTEXT_TOKEN", "CONTEXT_TOKENS"),
    ],
)
def test_a_misspelt_name_is_recognised(given: str, meant: str):
    assert suspects({given: "x"}, [Settings, DialogueSettings]) == [(given, meant)]


def test_names_of_other_programs_are_left_alone():
    others = {
        "PATH": "",
        "HOME": "",
        "LANG": "",
        "HTTP_PROXY": "",
        "LOGNAME": "",
        "REDIS_URL_FILE": "x",
        "PWD": "",
    }
    assert suspects(others, [Settings, DialogueSettings]) == []


def test_the_example_documents_every_variable_with_its_default():
    text = example([Settings])
    for name in Settings.names():
        assert f"\n#{name}=" in text
    assert "#LEASE=30s\n" in text
    assert "One of: text, json." in text


def test_every_variable_has_a_description():
    def undescribed(block: type[Block]) -> list[str]:
        return [name for name, field in block.names().items() if not field.description]

    assert undescribed(Settings) + undescribed(DialogueSettings) == []
