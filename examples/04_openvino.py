"""Export a model to OpenVINO and run it there."""

import tempfile
from pathlib import Path

from example_model import model_path
from mm_orch import ModelManager

model = model_path()
with tempfile.TemporaryDirectory() as folder:
    config = {"openvino": {"cache_dir": folder, "enable_fallback": False}}
    manager = ModelManager(backend="openvino", backend_config=config)

    exported = manager.export_model(model, precision="INT8")
    print(f"{Path(exported.xml_path).name}: {exported.bytes / 1e6:.1f} MB")

    manager.load_model(model)
    info = manager.get_model_info(model)
    print(f"runs on {info['backend']}, {info['device']}, {info['precision']}")
    print(manager.generate(model, "The capital of France is", max_new_tokens=8))
