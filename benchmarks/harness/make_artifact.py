"""Makes what an engine runs from a model's source, with the engine's own tools.

Runs in the engine's environment:  python -m harness.make_artifact MAKER/PRECISION MODEL_FOLDER
The last line of the output says what the conversion alone took, after all imports.
"""

import json
import shutil
import sys
import time
from pathlib import Path

from engines.worker import memory_mb

from harness.places import artifact_path


def optimum(source: Path, target: Path, precision: str) -> None:
    """As optimum-cli does it, in this process."""
    import nncf  # noqa: F401
    import optimum.exporters.openvino.__main__
    import optimum.intel  # noqa: F401
    from optimum.commands.optimum_cli import main

    kind = json.loads((source / "config.json").read_text())["model_type"]
    task = "text2text-generation" if kind == "t5" else "text-generation"
    sys.argv = ["optimum-cli", "export", "openvino", "--model", str(source)]
    sys.argv += ["--task", f"{task}-with-past", "--weight-format", precision]
    # Its default group of 128 does not divide SmolLM2's rows of 576.
    sys.argv += ["--group-size", "64"] if precision == "int4" else []
    sys.argv += ["--disable-convert-tokenizer", str(target)]
    yield  # imports are done
    main()


def ctranslate2(source: Path, target: Path, precision: str) -> None:
    from ctranslate2.converters import TransformersConverter

    yield
    quantization = None if precision == "float32" else precision
    TransformersConverter(str(source)).convert(str(target), quantization=quantization)


def gguf(source: Path, target: Path, precision: str) -> None:
    import llama_cpp

    from harness.make_gguf import write_f32

    yield
    if precision == "F32":
        write_f32(source, target)
        return
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{precision}")
    full = target.with_name("F32.gguf")
    code = llama_cpp.llama_model_quantize(str(full).encode(), str(target).encode(), parameters)
    if code != 0:
        raise RuntimeError(f"llama_model_quantize returned {code}")


def ours(source: Path, target: Path, precision: str) -> None:
    from mm_orch.runtime.model_manager import ModelManager

    yield
    manager = ModelManager(backend_config={"openvino": {"cache_dir": str(target)}})
    manager.export_model(str(source), precision, check=False)


def tuned(source: Path, target: Path, precision: str) -> None:
    from mm_orch.runtime.model_manager import ModelManager

    yield
    config = {"openvino": {"cache_dir": str(target)}}
    manager = ModelManager(backend="openvino", backend_config=config)
    # As mm-orch export does. The sources have no tokenizer: what the check reads is no text.
    manager.export_model(str(source), precision, tune=True, force=True)


def main() -> None:
    artifact, folder = sys.argv[1], Path(sys.argv[2])
    maker, precision = artifact.split("/")
    target = artifact_path(folder, artifact)
    temporary = target.with_name(f"{precision}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.parent.mkdir(exist_ok=True)
    steps = globals()[maker](folder / "source", temporary, precision)
    next(steps)
    before, start = memory_mb(), time.perf_counter()
    next(steps, None)
    seconds, after = time.perf_counter() - start, memory_mb()
    temporary.rename(target)
    made = {"seconds": seconds, "peak_rss_mb": after["peak_rss_mb"]}
    made["added_peak_rss_mb"] = after["peak_rss_mb"] - before["peak_rss_mb"]
    print(json.dumps(made))


if __name__ == "__main__":
    main()
