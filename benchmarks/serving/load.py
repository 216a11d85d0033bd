"""Requests a second and latencies of the service in examples/serving, with a float and an int8 model, on loopback.

python benchmarks/serving/load.py --float float_model --int8 int8_model --texts dev.tsv --output serving.json

Servers and load take turns: each round starts one server after the other, warms it up and asks it for some seconds.
Clients are threads of this process in a closed loop: each sends its next request when it has the answer.
"""

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

SERVICE = Path(__file__).resolve().parents[2] / "examples" / "serving"
PATIENCE = 120.0  # seconds until a server has to answer


@contextmanager
def served(model: str, workers: int) -> Iterator[int]:
    """The port of a running service."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    environment = os.environ | {
        "MODEL": str(Path(model).resolve()),
        "WORKERS": str(workers),
        "BIND": f"127.0.0.1:{port}",
    }
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn_conf.py", "--log-level", "warning", "app:app"]
    server = subprocess.Popen(command, cwd=SERVICE, env=environment)
    try:
        _wait_for(port, server)
        yield port
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and server.poll() is None:
        if _answers(port):
            return
        time.sleep(0.2)
    ended = f"ended with {server.returncode}" if server.poll() is not None else f"did not answer for {PATIENCE:.0f} s"
    raise SystemExit(f"error: the service {ended}")


def _answers(port: int) -> bool:
    try:
        ask(http.client.HTTPConnection("127.0.0.1", port, timeout=5), ["ready?"])
    except OSError:
        return False
    return True


def ask(connection: http.client.HTTPConnection, texts: Sequence[str]) -> Any:
    """The answers of one request."""
    body = json.dumps({"texts": list(texts)})
    connection.request("POST", "/classify", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise SystemExit(f"error: the service answered {response.status}: {content[:200]!r}")
    return json.loads(content)


def load(port: int, texts: Sequence[str], clients: int, seconds: float) -> list[float]:
    """The latencies of all requests that `clients` threads sent for so long, in seconds."""
    found: list[list[float]] = [[] for _ in range(clients)]
    stop = time.perf_counter() + seconds

    def client(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        row = number
        while time.perf_counter() < stop:
            started = time.perf_counter()
            ask(connection, [texts[row % len(texts)]])
            found[number].append(time.perf_counter() - started)
            row += clients

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [latency for each in found for latency in each]


def summary(rounds: Sequence[Sequence[float]], seconds: float) -> dict[str, float]:
    """Median over rounds of requests a second, and of the percentiles of latency in milliseconds."""
    percentiles = [quantiles(latencies, n=100) for latencies in rounds]
    return {
        "requests_per_second": median(len(latencies) / seconds for latencies in rounds),
        "p50_ms": median(found[49] for found in percentiles) * 1e3,
        "p99_ms": median(found[98] for found in percentiles) * 1e3,
    }


def read_texts(path: Path) -> list[str]:
    """The first column of a tsv file without its header, which is what GLUE's SST-2 has."""
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    return [line.split("\t")[0] for line in lines if line.strip()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--float", required=True, help="directory of the float model")
    parser.add_argument("--int8", required=True, help="directory of the int8 model")
    parser.add_argument("--texts", type=Path, required=True, help="tsv whose first column is asked")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8], help="how many ask at the same time")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each round")
    parser.add_argument("--output", type=Path, help="JSON")
    options = parser.parse_args()
    texts, models = read_texts(options.texts), {"float": options.float, "int8": options.int8}
    rounds: dict[tuple[str, int], list[list[float]]] = {}
    for _ in range(options.rounds):
        for name, model in models.items():
            with served(model, options.workers) as port:
                for clients in options.clients:
                    load(port, texts, clients, min(2.0, options.seconds))
                    rounds.setdefault((name, clients), []).append(load(port, texts, clients, options.seconds))
    results = [
        {"model": name, "clients": clients, **summary(found, options.seconds)}
        for (name, clients), found in rounds.items()
    ]
    for row in results:
        print("{model:6} {clients:3} clients {requests_per_second:8.1f}/s".format(**row), end=" ")
        print("p50 {p50_ms:7.2f} ms, p99 {p99_ms:7.2f} ms".format(**row))
    if options.output:
        facts = {"workers": options.workers, "rounds": options.rounds, "seconds": options.seconds}
        options.output.write_text(json.dumps({**facts, "results": results}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
