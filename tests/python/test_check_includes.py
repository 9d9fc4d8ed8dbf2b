"""The include rules hold, and a planted violation is caught."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "check_includes.py"


def check(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, root], capture_output=True, text=True, check=False
    )


def test_repository_keeps_the_rules():
    result = check(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("file", "include"),
    [
        ("src/base/planted.h", "manager/model_cache.h"),
        ("src/weights/planted.cpp", "models/registry.h"),
        ("backends/torch/planted.cpp", "models/registry.h"),
        ("apps/cli/planted.cpp", "backend/backend.h"),
        ("python/src/planted.h", "base/dtype.h"),
        ("apps/cli/planted.cpp", "../../src/base/dtype.h"),
    ],
)
def test_planted_violation_is_named(tmp_path: Path, file: str, include: str):
    for header in (
        "manager/model_cache.h",
        "models/registry.h",
        "backend/backend.h",
        "base/dtype.h",
    ):
        (tmp_path / "src" / header).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "src" / header).touch()
    assert check(tmp_path).returncode == 0

    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(f'// first line\n#include "{include}"\n')
    result = check(tmp_path)
    assert result.returncode == 1
    assert f'{file}:2: includes "{include}"' in result.stdout
