"""Settings of OpenVINO on the real model: each that is asked for answers or is refused by name."""

import json
import subprocess
import sys
import textwrap

import pytest
from mm_orch.runtime.model_manager import ModelManager
from reference_models import SMOLLM2_FILE, smollm2_folder

# In a process of its own, since a fault inside OpenVINO would end this one.
CODE = textwrap.dedent(
    """
    import json, sys
    from mm_orch.exceptions import MuAIError
    from mm_orch.runtime.model_manager import ModelManager

    model, settings = sys.argv[1], json.loads(sys.argv[2])
    settings["enable_fallback"] = False
    manager = ModelManager(backend="openvino", backend_config={"openvino": settings})
    try:
        manager.load_model(model)
        options = {"max_new_tokens": 4, "do_sample": False}
        result = manager.generate_tokens(model, list(range(20, 60)), **options)
        print(json.dumps({"tokens": list(map(int, result.new_tokens))}))
    except MuAIError as error:
        print(json.dumps({"error": type(error).__name__, "message": str(error)}))
    """
)


@pytest.fixture(scope="module")
def model() -> str:
    return str(smollm2_folder() / SMOLLM2_FILE)


@pytest.fixture(scope="module")
def exports(model, tmp_path_factory) -> dict[str, str]:
    folders = {}
    for precision in ("FP16", "INT8"):
        folders[precision] = str(tmp_path_factory.mktemp(precision))
        manager = ModelManager(backend_config={"openvino": {"cache_dir": folders[precision]}})
        manager.export_model(model, precision=precision, check=False)
    return folders


def answer(model: str, cache_dir: str, **settings) -> dict:
    command = [sys.executable, "-c", CODE, model, json.dumps({"cache_dir": cache_dir, **settings})]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return json.loads(done.stdout)


@pytest.mark.parametrize("precision", ["FP16", "INT8"])
def test_one_thread_answers(model, exports, precision):
    assert len(answer(model, exports[precision], num_threads=1)["tokens"]) == 4


def test_16_bits_with_one_thread_are_refused_where_they_would_fault(model, exports):
    refused = answer(model, exports["FP16"], num_threads=1, inference_precision="bf16")
    assert refused["error"] == "ConfigurationError"
    assert "not possible" in refused["message"]


@pytest.mark.parametrize("precision", ["FP16", "INT8"])
def test_f32_that_is_asked_for_takes_the_cache_along(model, exports, precision):
    manager = ModelManager()
    manager.load_model(model)
    tokens = manager.generate_tokens(
        model, list(range(20, 60)), max_new_tokens=4, do_sample=False
    ).new_tokens
    asked = answer(model, exports[precision], inference_precision="f32")
    assert len(asked["tokens"]) == 4
    if precision == "FP16":
        assert asked["tokens"] == list(map(int, tokens))
