"""Runs the test tools tokenize_file and render_chat."""

import json
import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MM_ORCH_BUILD_DIR", REPOSITORY / "build" / "release"))


def _run(tool: str, arguments: list[Path], inputs: list) -> list[dict]:
    lines = "".join(json.dumps(line) + "\n" for line in inputs)
    done = subprocess.run(
        [BUILD / "bin" / tool, *arguments], input=lines, capture_output=True, text=True
    )
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def tokenize(tokenizer: Path, inputs: list) -> list[dict]:
    """One result for each string, list of ids or {"text", "pair", "max_length"}; one error if the
    tokenizer does not load."""
    return _run("tokenize_file", [tokenizer], inputs)


def render(requests: list[dict]) -> list[dict]:
    return _run("render_chat", [], requests)
