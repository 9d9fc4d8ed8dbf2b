"""The machine, the versions, and how fast its memory can be read."""

import datetime
import os
import platform
import subprocess
from pathlib import Path

from harness.places import BENCHMARKS, OUR_PYTHON, PEERS_PYTHON, ROOT

OUR_PACKAGES = ("mm_orch", "torch", "openvino")
PEERS_PACKAGES = (
    "transformers", "optimum-intel", "nncf", "openvino-genai", "llama-cpp-python", "ctranslate2",
)  # fmt: skip


def _versions(python: Path, packages: tuple[str, ...]) -> dict[str, str]:
    code = "import importlib.metadata as m, sys\nfor name in sys.argv[1:]:\n"
    code += "  try: print(name, m.version(name))\n"
    code += "  except m.PackageNotFoundError: print(name, 'missing')"
    if not python.exists():
        return dict.fromkeys(packages, "missing")
    command = [str(python), "-c", code, *packages]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return dict(line.split() for line in lines)


def describe() -> dict:
    cpuinfo = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":", 1)[1].strip() for line in cpuinfo if line.startswith("model name")]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "date": datetime.date.today().isoformat(),
        "commit": commit,
        "versions": _versions(OUR_PYTHON, OUR_PACKAGES) | _versions(PEERS_PYTHON, PEERS_PACKAGES),
    }


def read_bandwidth(prefix: list[str]) -> float:
    """GB/s of a plain read with all cores: what bounds a decoded token."""
    program = ROOT / "build/benchmark/read_bandwidth"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        source = BENCHMARKS / "harness/read_bandwidth.cpp"
        options = ["-O3", "-march=native", "-fopenmp", str(source), "-o", str(program)]
        subprocess.run(["g++", *options], check=True)
    done = subprocess.run([*prefix, program], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[0])
