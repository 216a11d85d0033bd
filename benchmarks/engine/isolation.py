"""Does it slow a peer down to be measured in turn with the others? Each peer alone, and all together.

    python benchmarks/engine/isolation.py --shape bert-1x128 [--only PEER ...] [--repeats 3] [--rounds 30]

Runs compare_peers.py again and again: with all peers, then with each alone in a process of its own. The table shows
the medians over the repeats and their ratio; near 1 the others do no harm. Everything else is as in compare_peers.py.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.report import table
from harness.workloads import WORKLOADS
from peers import PEERS

COMMAND = Path(__file__).with_name("compare_peers.py")
Medians = dict[str, float]


def main() -> None:
    options, passed_on = parse()
    common = ["--shapes", options.shape, "--rounds", str(options.rounds), *passed_on]
    together: list[Medians] = []
    alone: list[Medians] = []
    for _ in range(options.repeats):
        together.append(measured(options.only, common))
        alone.append({name: value for one in options.only for name, value in measured([one], common).items()})
    print(comparison(options.only, together, alone))


def parse() -> tuple[argparse.Namespace, list[str]]:
    """The options of this program, and those to pass on."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER")
    parser.add_argument("--shape", choices=WORKLOADS, default="bert-1x128", metavar="SHAPE")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=30)
    return parser.parse_known_args()


def measured(names: Sequence[str], common: Sequence[str]) -> Medians:
    """Median milliseconds of a call of each peer that ran, in a process that measures these peers."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "peers.json"
        command = [sys.executable, str(COMMAND), "--only", *names, *common, "--output", str(output)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        record = json.loads(output.read_text(encoding="utf-8"))
    peers = record["workloads"][0]["peers"]
    return {peer["name"]: statistics.median(peer["seconds"]) * 1e3 for peer in peers if peer["seconds"]}


def comparison(names: Sequence[str], together: Sequence[Medians], alone: Sequence[Medians]) -> str:
    rows = []
    for name in names:
        series = [[run[name] for run in runs if name in run] for runs in (together, alone)]
        if not all(series):
            rows.append([name, "failed", "failed", ""])
            continue
        first, second = map(statistics.median, series)
        rows.append([name, f"{first:.2f}", f"{second:.2f}", f"{first / second:.2f}"])
    return table(["peer", "together, ms", "alone, ms", "together / alone"], rows)


if __name__ == "__main__":
    main()
