"""Online scoring under load: ``mlops serve``, ``mlflow models serve`` and a bare ASGI app, with the same LightGBM model."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

CONNECTIONS = (1, 8, 32)
SECONDS = 3.0  # of one measurement
COLUMNS = 17
SIDES = ("mlops serve", "mlflow models serve", "a bare ASGI app")
# Trains what the flights example trains, on random numbers, and saves it as its component does.
TRAIN = """
import sys, warnings
warnings.simplefilter("ignore")
import lightgbm, mlflow.lightgbm, numpy, pandas
from mlflow.models import infer_signature
generator = numpy.random.default_rng(0)
rows = pandas.DataFrame(generator.normal(size=(20_000, 17)), columns=[f"x{number}" for number in range(17)])
labels = (rows.to_numpy() @ generator.normal(size=17) + generator.normal(size=20_000) > 0).astype(int)
booster = lightgbm.train({"objective": "binary", "num_leaves": 31, "verbose": -1}, lightgbm.Dataset(rows, labels), 200)
mlflow.lightgbm.save_model(booster, sys.argv[1], signature=infer_signature(rows, booster.predict(rows)),
                           input_example=rows.head(2), pip_requirements=["lightgbm==4.7.0", "numpy==2.4.6", "pandas==2.3.3"])
"""
# The least that can be called a service: no check, no telemetry, one answer.
BARE = """
import json, sys, lightgbm, numpy, uvicorn
booster = lightgbm.Booster(model_file=sys.argv[1] + "/model.lgb")
async def app(scope, receive, send):
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["type"] == "http":
        rows = numpy.array(json.loads(body)["dataframe_split"]["data"], dtype="float64") if body else None
        told = {"predictions": booster.predict(rows, num_threads=1).tolist()} if body else {}
        content = json.dumps(told).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [
            (b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]})
        await send({"type": "http.response.body", "body": content})
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="error", lifespan="off")
"""


class Measured(NamedTuple):
    """What a server did: answers a second, and how long half of them, and all but one in a hundred, took, in milliseconds."""

    rate: float
    half: float
    slowest: float


class Contender(NamedTuple):
    """A server: how it is started, and where it takes rows."""

    command: list[str]
    path: str


def contenders(model: Path, ports: Mapping[str, int]) -> Mapping[str, Contender]:
    """The servers by their names; each is one process."""
    told = {name: str(port) for name, port in ports.items()}
    return {
        "mlops serve": Contender([
            sys.executable, "-m", "mlops_lib", "serve", str(model), "--port", told["mlops serve"]], "/score"),
        "mlflow models serve": Contender([
            sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "--port", told["mlflow models serve"],
            "--env-manager", "local", "--workers", "1"], "/invocations"),
        "a bare ASGI app": Contender([sys.executable, "-W", "ignore", "-c", BARE, str(model), told["a bare ASGI app"]], "/"),
    }


def measure(runs: int, folder: Path) -> Iterator[str]:
    """Each server alone, in turn: one row a request, for a few seconds at 1, 8 and 32 connections; a line for each of these."""
    model = folder / "model"
    subprocess.run([sys.executable, "-W", "ignore", "-c", TRAIN, str(model)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, cwd=folder)
    generator = random.Random(0)
    names = [f"x{number}" for number in range(COLUMNS)]
    rows = [[generator.gauss(0, 1) for _ in names] for _ in range(50)]
    bodies = [json.dumps({"dataframe_split": {"columns": names, "data": [row]}}).encode() for row in rows]
    found: dict[tuple[str, int], list[Measured]] = {}
    for _ in range(runs):
        for side, contender in contenders(model, {side: _free_port() for side in SIDES}).items():
            with _running(contender, bodies[0], folder) as port:
                for connections in CONNECTIONS:
                    found.setdefault((side, connections), []).append(
                        asyncio.run(_load(port, contender.path, bodies, connections)))
    for connections in CONNECTIONS:
        parts = []
        for side in SIDES:
            rate, half, slowest = (statistics.median(values) for values in zip(*found[side, connections], strict=True))
            parts.append(f"{side} {rate:.0f}/s, p50 {half:.1f} ms, p99 {slowest:.1f} ms")
        yield f"{connections} connection{'s' if connections > 1 else ''}: {'; '.join(parts)}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _running(contender: Contender, body: bytes, folder: Path) -> Iterator[int]:
    """A server that answers; ended afterwards with all that it has started."""
    port = next(int(word) for word in contender.command if word.isdecimal() and int(word) > 1)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"  # MLflow starts uvicorn by name
    process = subprocess.Popen(contender.command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True, env={**os.environ, "PATH": programs})
    try:
        end = time.monotonic() + 180
        while _status(port, contender.path, body) != 200:
            if process.poll() is not None or time.monotonic() > end:
                sys.exit(f"{' '.join(contender.command)[:200]} does not answer")
            time.sleep(0.1)
        yield port
    finally:
        for number in (signal.SIGINT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
                break


def _status(port: int, path: str, body: bytes) -> int:
    with contextlib.suppress(OSError, http.client.HTTPException), closing(
            http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        return connection.getresponse().status
    return 0


async def _load(port: int, path: str, bodies: list[bytes], connections: int) -> Measured:
    """Send requests over so many connections at once; a connection that the server closes is opened anew, and that counts."""
    times: list[float] = []
    requests = [f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]
    await _client(port, requests, time.perf_counter() + 0.5, [])  # warms up
    begun = time.perf_counter()
    await asyncio.gather(*(_client(port, requests, begun + SECONDS, times) for _ in range(connections)))
    took = time.perf_counter() - begun
    times.sort()
    return Measured(len(times) / took, times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000)


async def _client(port: int, requests: list[bytes], end: float, times: list[float]) -> None:
    reader: Any = None
    writer: Any = None
    number = 0
    while time.perf_counter() < end:
        begun = time.perf_counter()
        if writer is None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(requests[number % len(requests)])
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        times.append(time.perf_counter() - begun)
        if not head.startswith(b"http/1.1 200"):
            sys.exit(f"an answer was {head[:40]!r}")
        if b"connection: close" in head:
            writer.close()
            writer = None
        number += 1
    if writer is not None:
        writer.close()
