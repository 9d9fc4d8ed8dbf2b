"""Runs the test tool dump_tensor: what the C++ readers see of a model."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MM_ORCH_BUILD_DIR", REPOSITORY / "build" / "release"))
TOOL = BUILD / "bin" / "dump_tensor"


def read_tensor(model: Path, name: str, output_folder: Path) -> np.ndarray:
    """The tensor as a flat float32 array."""
    output = output_folder / "tensor.bin"
    subprocess.run([TOOL, model, name, output], check=True, capture_output=True, text=True)
    return np.fromfile(output, dtype=np.float32)


def list_tensors(model: Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name -> (type, shape)."""
    lines = subprocess.run([TOOL, model], check=True, capture_output=True, text=True).stdout
    rows = (line.split(" ") for line in lines.splitlines())
    return {row[0]: (row[1], tuple(int(length) for length in row[2:])) for row in rows}


def read_config(model: Path) -> dict:
    """config.json, or what the reader makes in its place."""
    command = [TOOL, model, "--config"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
