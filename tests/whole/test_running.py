"""Running it: several processes, a Redis that goes away, a stop in good order, and the operator's commands."""

import asyncio
from pathlib import Path

import httpx
from redis.asyncio import Redis

from bot.app import blocks
from bot.keys import Keys
from bot.settings import example
from tests.process import PARLEY, Bot, Visitor, bot, free_port, said, surroundings, until
from tests.simulators.endpoint import EndpointSimulator, echo, say
from tests.whole.conftest import towards


async def test_redis_away_refuses_plainly_loses_nothing_and_comes_back_by_itself(
    tmp_path: Path, endpoint: EndpointSimulator, private_server
):
    gate = asyncio.Event()
    slow = say(["Slow", " answer"], gates=[gate])
    endpoint.reply = lambda call: slow(call) if call.text == "Asked before" else echo(call)
    settings = towards(endpoint) | {"REDIS_URL": private_server.url, "LEASE": "5s"}
    async with bot(tmp_path, **settings) as running, Visitor(running) as visitor, httpx.AsyncClient() as http:
        accepted = await visitor.ask("Asked before")
        await endpoint.arrived()
        private_server.stop()
        body = {"id": "while-away", "text": "Asked while away"}
        refused = await http.post(f"{running.url}/api/messages", json=body, headers=visitor._headers)
        assert refused.status_code == 503
        assert "try" in refused.json()["error"].lower() or "again" in refused.json()["error"].lower()
        assert (await http.get(f"{running.url}/readyz")).status_code == 503
        assert (await http.get(f"{running.url}/healthz")).status_code == 200
        gate.set()
        private_server.start()
        again = await visitor.ask("Asked while away", id="while-away")
        assert said(await visitor.answered(accepted)) == "Slow answer"
        assert said(await visitor.answered(again)) == "Asked while away"
        assert [item["message"] for item in await visitor.history()] == [accepted, again]


async def test_one_more_replica_is_one_more_line(
    tmp_path: Path, endpoint: EndpointSimulator, redis_url: str, redis: Redis, prefix: str
):
    question, gates = "Survive this.", [asyncio.Event() for _ in range(2)]
    survive = say(["Half", " whole"], gates=gates)  # no attempt comes to its end before a worker has died
    endpoint.reply = lambda call: survive(call) if call.text == question else echo(call)
    # On a machine that is busy with other things a lease may be lost without a death, and that is an attempt, too.
    settings = towards(endpoint) | {
        "REDIS_URL": redis_url,
        "REDIS_PREFIX": prefix,
        "LEASE": "4s",
        "ATTEMPTS": "50",
    }
    names = {"front": "ingress", "one": "worker", "two": "worker"}
    processes = {}
    for name, command in names.items():
        (tmp_path / name).mkdir()
        processes[name] = Bot(tmp_path / name, settings, command)
    try:
        await asyncio.gather(*(process.start() for process in processes.values()))
        async with Visitor(processes["front"]) as visitor:
            assert said(await visitor.answered(await visitor.ask("Anybody?"))) == "Anybody?"
            gates[0].set()
            id = await visitor.ask(question)

            async def spoken() -> bool:
                return any(said(item) for item in (await visitor.history())[1:])

            await until(spoken)
            (leased,) = await redis.xpending_range(Keys(prefix).ready, "workers", "-", "+", 10)
            await next(made for made in processes.values() if f"-{made.pid}-" in leased["consumer"]).kill()
            gates[1].set()
            assert said(await visitor.answered(id)) == "Half whole"
            assert len(await visitor.history()) == 2
    finally:
        for process in processes.values():
            await process.remove()


async def test_a_stop_lets_the_answer_under_way_finish(tmp_path: Path, endpoint: EndpointSimulator):
    gate = asyncio.Event()
    endpoint.script(say(["Nearly", " done"], gates=[gate]))
    async with bot(tmp_path, **towards(endpoint)) as running, Visitor(running) as visitor:
        id = await visitor.ask("Hello")
        await endpoint.arrived()
        stopping = asyncio.create_task(running.stop())

        async def draining() -> bool:
            return "draining" in running.log

        await until(draining)
        gate.set()
        assert await stopping == 0
        assert "message.answered" in running.log
        await running.start()
        assert said(await visitor.answered(id)) == "Nearly done"
        assert len(endpoint.requests) == 1


async def test_a_second_start_says_who_holds_the_data(tmp_path: Path, running: Bot):
    status, output = await parley("run", running.folder, HTTP_PORT=str(free_port()))
    assert status == 2
    assert running.process is not None
    assert str(running.process.pid) in output
    assert "Traceback" not in output


async def test_the_port_of_another_program_is_named(tmp_path: Path, running: Bot):
    other = str(tmp_path / "other")
    status, output = await parley("run", running.folder, HTTP_PORT=str(running.port), DATA_DIR=other)
    assert status == 2
    assert f"HTTP_PORT: 127.0.0.1:{running.port} is in use" in output


async def test_faulty_settings_are_all_named_before_anything_starts(tmp_path: Path):
    status, output = await parley("run", tmp_path, LEASE="soon", HTTP_PORT="http", TEMPERATURE="hot")
    assert status == 2
    assert {"LEASE", "HTTP_PORT"} <= {line.strip().split(":")[0] for line in output.splitlines()}
    assert "Traceback" not in output


async def test_check_says_what_to_mend(tmp_path: Path, endpoint: EndpointSimulator):
    good = towards(endpoint) | {"HTTP_PORT": str(free_port()), "COLUMNS": "200"}
    status, output = await parley("check", tmp_path, **good)
    assert (status, "!!" in output) == (0, False), output
    for change, words in (
        ({"OPENAI_API_KEY": "sk-wrong"}, "key"),
        ({"CHAT_MODEL": "smal"}, "small"),
        ({"OPENAI_BASE_URL": f"http://127.0.0.1:{free_port()}/v1"}, "OPENAI_BASE_URL"),
        ({"HTTPPORT": "8080"}, "HTTP_PORT"),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "REDIS_URL"),
        ({"DEFAULT_ROLE": "asistant"}, "assistant"),
        ({"LEASE": "soon"}, "LEASE"),
    ):
        status, output = await parley("check", tmp_path, **good | change)
        faulty = [line for line in output.splitlines() if line.startswith("!!")]
        assert status == 1, (change, output)
        assert any(words in line for line in faulty), (change, output)
        assert "sk-wrong" not in output


async def test_a_pipe_is_answered_line_by_line(tmp_path: Path, endpoint: EndpointSimulator):
    status, output = await parley("chat", tmp_path, stdin="hello\nwhat now?\n", **towards(endpoint))
    assert (status, output.split("\n\n")) == (0, ["hello", "what now?\n"])


async def test_the_terminal_may_talk_beside_a_running_bot(running: Bot, endpoint: EndpointSimulator):
    status, output = await parley("chat", running.folder, stdin="hello\n", **towards(endpoint))
    assert (status, output) == (0, "hello\n")


async def test_the_demo_answers_where_nothing_is_configured(tmp_path: Path):
    status, output = await parley("chat", tmp_path, stdin="repeat: marmalade\n")
    assert status == 0
    assert "demo" in output
    assert "OPENAI_API_KEY" in output
    assert "marmalade" in output


def test_the_example_file_documents_what_the_code_reads():
    written = Path(__file__).parents[2].joinpath(".env.example").read_text(encoding="utf-8")
    assert written == example(blocks()), "run `parley env --write`"


async def parley(command: str, folder: Path, *, stdin: str = "", **settings: str) -> tuple[int, str]:
    """Run a command to its end; its exit status and what it printed."""
    environment = surroundings(folder, **settings) | ({"LOG_LEVEL": "error"} if command == "chat" else {})
    process = await asyncio.create_subprocess_exec(
        *PARLEY,
        command,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(60):
        output, _ = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return process.returncode, output.decode()
