"""Each example runs as a reader runs it, on the real SmolLM2 unless a tiny model will do."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from reference_models import minilm_folder

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# What a line of the output has to look like, and whether the tiny model suffices.
EXPECTED = {
    "01_generate.py": (r"The capital of France is Paris", False),
    "02_stream.py": (r"the first five pieces: \['.+'(, '.+'){4}\]", False),
    "03_batch.py": (r"together [\d.]+ s, one by one [\d.]+ s, equal texts: True", True),
    "04_openvino.py": (r"runs on openvino, \S+, INT8", True),
    "05_fallback.py": (r"openvino -> pytorch: model_not_exported", True),
    "06_compare_backends.py": (r"OpenVINO: [+-][\d.]+% tokens per second", True),
    "07_chat.py": (r"> What is my name\?", False),
    "08_statistics.py": (r"3 generations", True),
}


def test_every_example_is_numbered_and_run():
    numbered = sorted(path.name for path in EXAMPLES.glob("[0-9]*"))
    elsewhere = ["09_cpp", "10_embeddings.py"]  # the first: test_packaging
    assert numbered == sorted([*EXPECTED, *elsewhere])


def test_embeddings_example():
    done = subprocess.run(
        [sys.executable, EXAMPLES / "10_embeddings.py", minilm_folder()],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    ranking = [line.split("  ", 1)[1] for line in done.stdout.splitlines()]
    assert ranking[0] in ("The cat sleeps on the sofa.", "A kitten is having a nap.")
    assert ranking[1] in ("The cat sleeps on the sofa.", "A kitten is having a nap.")


@pytest.mark.parametrize("name", EXPECTED)
def test_example(name, tmp_path, tiny_model):
    line, tiny = EXPECTED[name]
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *([tiny_model] if tiny else [])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(f"^{line}", done.stdout, re.MULTILINE), done.stdout
    assert not list(tmp_path.iterdir()), "an example leaves nothing behind"
