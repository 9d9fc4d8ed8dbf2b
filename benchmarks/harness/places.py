"""Where things lie, from the repository's root."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
OUR_PYTHON = ROOT / ".venv/bin/python"
PEERS_PYTHON = ROOT / "build/peers/venv/bin/python"
MODELS = ROOT / "build/benchmark/models"


def artifact_path(folder: Path, artifact: str) -> Path:
    """Of "<maker>/<precision>" in a model's folder; a GGUF is known by its name."""
    return folder / (f"{artifact}.gguf" if artifact.startswith("gguf/") else artifact)
