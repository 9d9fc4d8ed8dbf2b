"""Runs the test tool export_ir: models exported to OpenVINO IR by the C++ plug-in."""

import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MM_ORCH_BUILD_DIR", REPOSITORY / "build" / "release"))
TOOL = BUILD / "bin" / "export_ir"


def export_ir(model: Path, stem: Path, precision: str) -> Path:
    """Path of the .xml."""
    subprocess.run([TOOL, model, stem, precision], check=True, capture_output=True, text=True)
    return stem.with_suffix(".xml")
