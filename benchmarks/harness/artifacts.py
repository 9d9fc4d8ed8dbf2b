"""Makes models and artifacts that are missing, each in a process of its own."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from harness.contenders import Contender
from harness.places import BENCHMARKS, MODELS, OUR_PYTHON, PEERS_PYTHON, artifact_path
from harness.process import OFFLINE, EngineError
from harness.prompts import find_smollm2, random_tokens, real_tokens

OUR_MAKERS = ("ours", "tuned")
NEEDS = {"gguf": "gguf/F32"}  # what another precision of this maker is made from


def python_of(maker: str) -> Path:
    return OUR_PYTHON if maker in (*OUR_MAKERS, "mm_orch") else PEERS_PYTHON


def run(python: Path, arguments: list[str], prefix: list[str]) -> str:
    """The last line that it prints."""
    done = subprocess.run(
        [*prefix, str(python), "-m", *arguments], cwd=BENCHMARKS, capture_output=True, text=True,
        env=os.environ | OFFLINE, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        lines = [
            line for line in done.stderr.splitlines() if line.strip() and "See docs/" not in line
        ]
        last = (lines or ["no message"])[-1]
        raise EngineError(f"{arguments[0]} {arguments[1]}: {last[:300]}")
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def ensure_source(name: str, prefix: list[str]) -> Path:
    """The model's folder, with source/ and model.json in it."""
    folder = MODELS / name
    if not (folder / "model.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        gguf, source = find_smollm2(), folder / "source"
        read = run(PEERS_PYTHON, ["harness.make_model", name, str(source), str(gguf)], prefix)
        about = {"parameters_read": int(read)}
        about |= real_tokens(gguf, prefix) if name == "smollm2" else random_tokens()
        (folder / "model.json").write_text(json.dumps(about))
    return folder


def make(artifact: str, folder: Path, prefix: list[str]) -> dict:
    """What the conversion took: {"seconds", "peak_rss_mb", "added_peak_rss_mb"}."""
    shutil.rmtree(artifact_path(folder, artifact), ignore_errors=True)
    maker = artifact.split("/")[0]
    line = run(python_of(maker), ["harness.make_artifact", artifact, str(folder)], prefix)
    return json.loads(line)


def installed_at() -> float:
    libraries = OUR_PYTHON.parents[1].glob("lib/python*/site-packages/mm_orch/lib/libmm_orch.so")
    return max((library.stat().st_ctime for library in libraries), default=0)


def ensure(artifact: str, folder: Path, prefix: list[str]) -> Path:
    """Makes it if it is missing; ours also if mm_orch was installed since."""
    path, maker = artifact_path(folder, artifact), artifact.split("/")[0]
    if maker in OUR_MAKERS and path.exists() and path.stat().st_ctime < installed_at():
        shutil.rmtree(path)
    if not path.exists():
        needed = NEEDS.get(maker)
        if needed and needed != artifact:
            ensure(needed, folder, prefix)
        make(artifact, folder, prefix)
    return path


def size_mb(path: Path) -> float:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files) / 1e6


def worker_arguments(contender: Contender, folder: Path, family: str) -> tuple[Path, dict]:
    """The path and the options that the contender's adapter is given."""
    options, path = dict(contender.options), artifact_path(folder, contender.artifact)
    options["sources"] = family == "t5"
    if contender.engine == "mm_orch" and contender.artifact.split("/")[0] in OUR_MAKERS:
        options["settings"] = options["settings"] | {"cache_dir": str(path)}
        path = folder / "source"
    return path, options
