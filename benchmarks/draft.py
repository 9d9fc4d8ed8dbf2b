"""How much a draft model gains: the real SmolLM2 with and without one, in turn.

The target is SmolLM2-135M-Instruct in the forms below, from a folder with its float32 weights; the
draft is its GGUF (Q4_1) in int8 on PyTorch. Greedy, 64 tokens after three short prompts.

Usage: draft.py FOLDER --output benchmarks/results/draft.json
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

from harness.machine import describe
from harness.prompts import find_smollm2
from mm_orch import ModelManager

PROMPTS = (
    "The history of the steam engine begins",
    "Once upon a time, in a village by the sea,",
    "Water boils at a lower temperature on a mountain because",
)
NEW_TOKENS = 64
TARGETS = {  # name: (backend, precision of the export, inference precision on PyTorch)
    "PyTorch FP32": ("pytorch", None, "f32"),
    "PyTorch BF16": ("pytorch", None, "bf16"),
    "PyTorch INT8": ("pytorch", None, "int8"),
    "OpenVINO FP32": ("openvino", "FP32", "f32"),
    "OpenVINO INT8": ("openvino", "INT8", "f32"),
}


def load(folder: Path, cache: str) -> tuple[ModelManager, dict[str, str]]:
    """All targets and the draft in one manager, and the targets' names."""
    manager = ModelManager(max_cached_models=len(TARGETS) + 1)

    def load_as(name: str, path: Path, backend: str, precision: str) -> None:
        openvino = {"cache_dir": cache, "enable_fallback": False}
        manager.reload_config({"openvino": openvino, "pytorch": {"inference_precision": precision}})
        manager.register_model(name, path)
        manager.load_model(name, backend_override=backend)

    names = {}
    for target, (backend, export, precision) in TARGETS.items():
        names[target] = target.replace(" ", "-")
        if export:
            manager.reload_config({"openvino": {"cache_dir": cache}})
            manager.register_model(names[target], folder)
            manager.export_model(names[target], precision=export, check=False)
        load_as(names[target], folder, backend, precision)
    load_as("draft", find_smollm2(), "pytorch", "int8")
    return manager, names


def measure(manager: ModelManager, model: str, draft: str | None, prompts: list) -> dict:
    decoding_s, drafted, right = 0.0, 0, 0
    for prompt in prompts:
        result = manager.generate_tokens(
            model, prompt, max_new_tokens=NEW_TOKENS, eos_token_id=[], draft_model=draft
        )
        decoding_s += result.latency_s - result.time_to_first_token_s
        drafted += result.draft_tokens
        right += result.accepted_draft_tokens
    rate = len(prompts) * (NEW_TOKENS - 1) / decoding_s
    return {"tokens_per_s": rate, "guessed": drafted, "right": right}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        manager, names = load(options.folder, cache)
        prompts = [manager.tokenize("draft", prompt) for prompt in PROMPTS]
        runs = {(target, draft): [] for target in TARGETS for draft in (None, "draft")}
        for turn in range(options.rounds + 1):
            for (target, draft), measured in runs.items():
                found = measure(manager, names[target], draft, prompts)
                if turn > 0:  # the first round warms up
                    measured.append(found)
    rows = []
    for target in TARGETS:
        row = {"target": target}
        for draft, kind in ((None, "plain"), ("draft", "draft")):
            found = runs[target, draft]
            row |= {
                f"{kind}_tokens_per_s": [round(run["tokens_per_s"], 1) for run in found],
                f"{kind}_guessed": found[-1]["guessed"],
                f"{kind}_right": found[-1]["right"],
            }
        medians = [statistics.median(row[f"{kind}_tokens_per_s"]) for kind in ("plain", "draft")]
        row["gain"] = round(medians[1] / medians[0], 2)
        rows.append(row)
        print(target, medians, row["gain"])
    result = {"machine": describe(), "measured": rows}
    options.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
