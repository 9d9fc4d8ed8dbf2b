"""Where things lie, from the repository's root."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
OUR_PYTHON = ROOT / ".venv/bin/python"
PEERS_PYTHON = ROOT / "build/peers/venv/bin/python"
MODELS = ROOT / "build/benchmark/models"
