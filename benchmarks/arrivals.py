"""Requests that arrive over time: how mm_orch and openvino-genai bear a growing load.

    python benchmarks/arrivals.py make poisson build/poisson.jsonl
    python benchmarks/arrivals.py run build/poisson.jsonl --output build/arrivals.json

`run` plays the same trace at several speeds to each engine, prints a table, and writes JSON and a
plot: tokens per second, p50 and p99 of the time to the first token and of each further one, the
medians of interleaved rounds.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from harness import artifacts, machine, traces
from harness.contenders import CONTENDERS
from harness.models import MODELS
from harness.places import BENCHMARKS, PEERS_PYTHON
from harness.process import EngineError, Worker

MODEL = "smollm2"
LABELS = ["mm_orch PyTorch Q8_0", "mm_orch OpenVINO INT8", "openvino-genai batching INT8"]
WARM_UP = [(0.0, list(range(5, 40)), 8)] * 2


def play(label: str, requests: list[traces.Request], load: float) -> dict:
    """One engine in a fresh process; with an "error" where it failed."""
    contender = next(c for c in CONTENDERS if c.label == label)
    folder = artifacts.ensure_source(MODEL, [])
    about = json.loads((folder / "model.json").read_text())
    arrivals = [
        (request.arrival_s / load, prompt(about["long"], i, request), request.new_tokens)
        for i, request in enumerate(requests)
    ]
    try:
        artifacts.ensure(contender.artifact, folder, [])
        path, options = artifacts.worker_arguments(contender, folder, MODELS[MODEL].family)
        python = artifacts.python_of(contender.engine)
        with Worker(python, [], contender.engine, path, options) as worker:
            worker.ask(do="serve", arrivals=WARM_UP)
            served = worker.ask(do="serve", arrivals=arrivals)["served"]
    except EngineError as error:
        return {"load": load, "error": str(error)}
    return traces.summarise(requests, load, served)


def prompt(tokens: list[int], number: int, request: traces.Request) -> list[int]:
    """Requests begin differently, so that none is served from another's cache."""
    length = request.prompt_tokens
    if length >= len(tokens):
        raise SystemExit(f"prompt_tokens is {length}; allowed are up to {len(tokens) - 1}")
    begin = 7 * number % (len(tokens) - length)
    return tokens[begin : begin + length]


def table(rows: dict[str, list[dict]]) -> list[str]:
    lines = [
        f"{'':30}{'requests/s':>11}{'offered':>9}{'tokens/s':>9}{'first p50':>11}{'p99 s':>7}"
        f"{'token p50':>11}{'p99 ms':>8}"
    ]
    for label, loads in rows.items():
        for row in loads:
            if "error" in row:
                lines.append(f"{label:30} failed: {row['error']}")
                continue
            first, token = row["first_token_s"], row.get("token_s", {})
            lines.append(
                f"{label:30}{row['requests_per_s']:11.1f}{row['offered_tokens_per_s']:9.0f}"
                f"{row['tokens_per_s']:9.0f}{first['p50']:11.3f}{first['p99']:7.2f}"
                f"{1e3 * token.get('p50', 0):11.1f}{1e3 * token.get('p99', 0):8.0f}"
                + ("" if row["keeps_up"] else "  saturated")
            )
    return lines


def run(arguments: argparse.Namespace) -> None:
    try:
        requests = traces.read(arguments.trace)
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from None
    rows: dict[str, list[dict]] = {label: [] for label in LABELS}
    for load in arguments.loads:
        rounds: dict[str, list[dict]] = {label: [] for label in LABELS}
        for _ in range(arguments.rounds):
            for label in LABELS:
                rounds[label].append(play(label, requests, load))
        for label, played in rounds.items():
            failed = [figures for figures in played if "error" in figures]
            rows[label].append(failed[0] if failed else traces.middle(played))
    print("\n".join(table(rows)))
    for label, loads in rows.items():
        beyond = traces.saturation([row for row in loads if "error" not in row])
        print(f"{label} saturates", "at none of these loads" if beyond is None
              else f"by {beyond:.1f} requests/s")  # fmt: skip
    if arguments.output:
        about = {"trace": arguments.trace.name, "rounds": arguments.rounds}
        result = {"machine": machine.describe()} | about | {"engines": rows}
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")
        command = [PEERS_PYTHON, "-m", "harness.plot_arrivals", arguments.output.resolve()]
        if subprocess.run(command, cwd=BENCHMARKS, check=False).returncode != 0:
            print("no plot: matplotlib is missing or failed", file=sys.stderr)


def loads_of(text: str) -> list[float]:
    loads = [float(part) for part in text.split(",")]
    if min(loads) <= 0:
        raise argparse.ArgumentTypeError(f"{min(loads)} is not above 0")
    return loads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    making = commands.add_parser("make", help="write a trace")
    making.add_argument("kind", choices=traces.KINDS)
    making.add_argument("trace", type=Path)
    making.add_argument("--requests", type=int, default=48)
    making.add_argument("--rate", type=float, default=4.0, help="requests a second, in the mean")
    making.add_argument("--seed", type=int, default=1)
    making.set_defaults(
        do=lambda a: traces.write(a.trace, traces.make(a.kind, a.requests, a.rate, a.seed))
    )
    running = commands.add_parser("run", help="play a trace to the engines")
    running.add_argument("trace", type=Path)
    running.add_argument("--loads", type=loads_of, default=[1.0, 2.0, 4.0, 8.0],
                         help="how many times as fast as recorded")  # fmt: skip
    running.add_argument("--rounds", type=int, default=3, help="of each load; medians are shown")
    running.add_argument("--output", type=Path, help="JSON; the plot lies beside it")
    running.set_defaults(do=run)
    arguments = parser.parse_args()
    arguments.do(arguments)


if __name__ == "__main__":
    main()
