"""Memory returns to the system when a model goes, by the resident set of a process of its own."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from reference_models import SMOLLM2_FILE, smollm2_folder

CODE = textwrap.dedent(
    """
    import gc, json, sys
    from pathlib import Path
    from mm_orch.runtime.model_manager import ModelManager

    def resident_mb():
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    model, backend, cache = sys.argv[1:]
    config = {"openvino": {"cache_dir": cache, "auto_export": True, "enable_fallback": False}}
    manager = ModelManager(backend=backend, backend_config=config)

    def round():
        manager.load_model(model)
        manager.generate(model, "Hello", max_new_tokens=4)
        loaded = resident_mb()
        assert manager.unload_model(model)
        gc.collect()
        return loaded, resident_mb()

    round()  # libraries and their thread pools stay
    print(json.dumps(round()))
    """
)


@pytest.mark.parametrize("backend", ["pytorch", "openvino"])
def test_unloading_returns_the_memory(backend, tmp_path):
    model = str(smollm2_folder() / SMOLLM2_FILE)
    command = [sys.executable, "-c", CODE, model, backend, str(tmp_path)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    loaded, unloaded = json.loads(output)
    held = {"pytorch": Path(model).stat().st_size, "openvino": 134.5e6 * 4}  # as stored; in FP32
    assert loaded - unloaded > 0.9 * held[backend] / 2**20
