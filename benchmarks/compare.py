"""mm_orch and its peers on the same weights, prompts and machine, in interleaved rounds.

    bash benchmarks/setup_peers.sh
    python benchmarks/compare.py --output benchmarks/results/peers.json

Prints tables, says which targets are met, writes JSON and, beside it, a plot. What was measured so
far lies in build/benchmark/visits.jsonl; --resume goes on with it.
"""

import argparse
import json
import shlex
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent))

from harness import artifacts, machine, report, targets
from harness.contenders import CONTENDERS, Contender
from harness.models import MODELS, Model
from harness.places import BENCHMARKS, PEERS_PYTHON, ROOT
from harness.process import EngineError
from harness.summary import spread, summarise_model
from harness.visits import SCENARIOS, Visit

MICRO = ROOT / "build/micro/bin/micro"  # as CONTRIBUTING.md says how to build it
RECORD = ROOT / "build/benchmark/visits.jsonl"
EXPORT_MODEL, EXPORT_ROUNDS = "smollm2", 2
EXPORTS = ["ours/FP32", "ours/FP16", "ours/INT8", "ours/INT4",
           "optimum/fp32", "optimum/fp16", "optimum/int8", "optimum/int4"]  # fmt: skip


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Record:
    """All that was measured, one JSON line each, so that a run can be resumed."""

    def __init__(self, resume: bool):
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        if not resume:
            RECORD.unlink(missing_ok=True)
        lines = RECORD.read_text().splitlines() if RECORD.exists() else []
        # What failed is tried again.
        self.entries = [entry for line in lines if "error" not in (entry := json.loads(line))]

    def has(self, **key) -> bool:
        return any(key.items() <= entry.items() for entry in self.entries)

    def add(self, entry: dict) -> None:
        self.entries.append(entry)
        with RECORD.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def of(self, kind: str, model: str) -> list[dict]:
        return [e for e in self.entries if e["kind"] == kind and e["model"] == model]


def visit_all(record: Record, model: Model, contenders: list[Contender], arguments) -> None:
    """Rounds, each of which visits each contender once."""
    folder = artifacts.ensure_source(model.name, arguments.prefix)
    about = json.loads((folder / "model.json").read_text())
    for number in range(arguments.rounds):
        if not record.has(kind="bandwidth", model=model.name, round=number):
            speed = machine.read_bandwidth(arguments.prefix)
            record.add({"kind": "bandwidth", "model": model.name, "round": number, "gb_s": speed})
        for contender in contenders:
            key = {"kind": "visit", "model": model.name, "contender": contender.label}
            failed = any(key.items() <= e.items() and "error" in e for e in record.entries)
            if failed or record.has(**key, round=number) or (contender.decode_only and number):
                continue
            start = time.monotonic()
            figures = Visit(contender, model, folder, about, number).run(
                arguments.scenarios, arguments.prefix
            )
            record.add(key | {"round": number} | figures)
            say(
                f"{model.name} round {number + 1} of {arguments.rounds}: {contender.label}, "
                f"{time.monotonic() - start:.0f} s {figures.get('error', '')}"
            )


def export_all(record: Record, model: Model, arguments) -> None:
    """The conversions alone, in turn."""
    folder = artifacts.ensure_source(model.name, arguments.prefix)
    for number in range(min(arguments.rounds, EXPORT_ROUNDS)):
        for artifact in EXPORTS:
            key = {"kind": "export", "model": model.name, "artifact": artifact}
            failed = any(key.items() <= e.items() and "error" in e for e in record.entries)
            if failed or record.has(**key, round=number):
                continue
            try:
                made = artifacts.make(artifact, folder, arguments.prefix)
                made["size_mb"] = artifacts.size_mb(folder / artifact)
            except EngineError as error:
                made = {"error": str(error)}
            record.add(key | {"round": number} | made)
            say(f"{model.name} export {artifact}: {made.get('seconds', made.get('error'))}")


def export_rows(entries: list[dict]) -> list[dict]:
    rows = []
    for artifact in EXPORTS:
        made = [e for e in entries if e["artifact"] == artifact and "error" not in e]
        if made:
            keys = ("peak_rss_mb", "added_peak_rss_mb", "size_mb")
            row = {key: median(e[key] for e in made) for key in keys}
            seconds = spread([e["seconds"] for e in made])
            rows.append({"artifact": artifact, "seconds": seconds} | row)
    return rows


def build_report(record: Record, models: list[Model], arguments) -> dict:
    speeds = [entry["gb_s"] for entry in record.entries if entry["kind"] == "bandwidth"]
    bandwidth = max(speeds)
    rounds = 1 + max(entry["round"] for entry in record.entries)  # some contenders have fewer
    result = {
        "machine": machine.describe(), "rounds": rounds,
        "read_bandwidth_gb_per_s": bandwidth, "models": {},
    }  # fmt: skip
    for model in models:
        about = json.loads((artifacts.MODELS / model.name / "model.json").read_text())
        visits = record.of("visit", model.name)
        summary = summarise_model(visits, model, about, bandwidth * 1e9)
        exports = record.of("export", model.name)
        failed = {e["artifact"]: e["error"] for e in exports if "error" in e}
        summary["absent"] |= {f"export to {name}": why for name, why in failed.items()}
        result["models"][model.name] = summary | {"exports": export_rows(exports)}
    result["orchestration"] = orchestration(result, arguments.prefix)
    result["targets"] = targets.evaluate(result)
    return result


def orchestration(result: dict, prefix: list[str]) -> dict:
    """What manager, loop, statistics and stream cost a token, against our fastest step; empty if
    the small benchmarks are not built."""
    rows = result["models"].get("smollm2", {}).get("rows", [])
    rates = [row["decode"]["median"] for row in rows if targets.is_ours(row)]
    if not MICRO.exists() or not rates:
        return {}
    command = [*prefix, MICRO, "--benchmark_filter=Orchestration", "--benchmark_format=json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = json.loads(done.stdout)["benchmarks"][0]["per_token"]
    return {"seconds_per_token": seconds, "share_of_step": seconds * max(rates)}


def write(result: dict, output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_suffix(".tmp")
    temporary.write_text(json.dumps(result, indent=1) + "\n")
    temporary.rename(output)
    command = [PEERS_PYTHON, "-m", "harness.plot", output.resolve()]
    if subprocess.run(command, cwd=BENCHMARKS, check=False).returncode != 0:
        say("no plot: matplotlib is missing or failed (bash benchmarks/setup_peers.sh)")


def some_of(text: str, known: list[str]) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {unknown[0]}; known are {', '.join(known)}")
    return names


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])

    engines = sorted({contender.engine for contender in CONTENDERS})
    bits = list(dict.fromkeys(contender.bits for contender in CONTENDERS))
    for option, known in (
        ("--models", list(MODELS)),
        ("--engines", engines),
        ("--bits", bits),
        ("--scenarios", [*SCENARIOS, "export"]),
    ):
        parser.add_argument(
            option, type=lambda text, known=known: some_of(text, known), default=known,
            help="of " + ",".join(known),
        )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round, no export, no compiling")
    parser.add_argument("--resume", action="store_true", help="keep what was measured before")
    parser.add_argument("--output", type=Path, help="JSON; the plot lies beside it")
    parser.add_argument(
        "--prefix", type=shlex.split, default=[],
        help='put before each measured command, such as "taskset -c 0,1"',
    )  # fmt: skip
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds = 1
        arguments.scenarios = [name for name in arguments.scenarios if name != "export"]
    return arguments


def main() -> None:
    arguments = parse()
    record = Record(arguments.resume)
    models = [MODELS[name] for name in arguments.models]
    for model in models:
        contenders = [
            contender
            for contender in CONTENDERS
            if contender.engine in arguments.engines and contender.bits in arguments.bits
            and model.family in contender.families
            and (not contender.decode_only or (model.compiled and not arguments.quick))
        ]  # fmt: skip
        visit_all(record, model, contenders, arguments)
        if "export" in arguments.scenarios and model.name == EXPORT_MODEL:
            export_all(record, model, arguments)
        result = build_report(record, models[: models.index(model) + 1], arguments)
        if arguments.output:
            write(result, arguments.output)
    print(report.text(result))


if __name__ == "__main__":
    started = time.monotonic()
    main()
    say(f"took {time.monotonic() - started:.0f} s")
