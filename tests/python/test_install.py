"""`cmake --install` into a prefix: find_package, the program, and plug-ins that are missing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MM_ORCH_BUILD_DIR", ROOT / "build" / "release"))


def run(*command: object, code: int = 0, cwd: Path | None = None) -> str:
    """Standard output; no variable of the build tree helps."""
    keep = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    result = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**keep, "HF_HUB_OFFLINE": "1"},
        timeout=600,
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    run("cmake", "--install", BUILD, "--prefix", tmp_path / "prefix")
    return tmp_path / "prefix"


def test_the_example_builds_and_runs_against_the_prefix(prefix, tiny_model, tmp_path):
    source, build = ROOT / "examples" / "09_cpp", tmp_path / "example"
    run("cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", build)
    text = run(build / "generate", tiny_model, "Hi")
    # In another place nothing may lead back to the build tree.
    program = prefix / "bin" / "mm-orch"
    assert text == "Hi" + run(program, "run", tiny_model, "Hi", "--max-new-tokens", 8)


def test_the_program_moves_with_its_prefix(prefix, tmp_path):
    moved = tmp_path / "moved"
    shutil.move(prefix, moved)
    text = run(moved / "bin" / "mm-orch", "doctor")
    for library in ("libmm_orch.so", "libmm_orch_torch.so", "libmm_orch_openvino.so"):
        assert f"{moved}/lib/{library}" in text


def test_doctor_notes_a_missing_openvino_and_complains_of_a_missing_pytorch(prefix):
    program = prefix / "bin" / "mm-orch"
    (prefix / "lib" / "libmm_orch_openvino.so").unlink()
    text = run(program, "doctor")
    assert "note  openvino" in text and "pip install openvino==" in text
    (prefix / "lib" / "libmm_orch_torch.so").unlink()
    text = run(program, "doctor", code=1)
    assert "BAD   pytorch" in text and "pip install torch==" in text
    assert text.endswith("Something that is needed is broken; see BAD above.\n")


def test_the_core_runs_without_any_plugin(prefix, tiny_model, tmp_path):
    for plugin in (prefix / "lib").glob("libmm_orch_*.so"):
        plugin.unlink()
    program = prefix / "bin" / "mm-orch"
    assert "llama" in run(program, "info", tiny_model, cwd=tmp_path)
    assert "No exported models" in run(program, "list", cwd=tmp_path)
    assert run(program, "run", tiny_model, "Hi", code=11, cwd=tmp_path) == ""
