"""OpenVINO cannot serve the model, and the answer comes all the same."""

import logging
import tempfile

from example_model import model_path
from mm_orch import ModelManager
from mm_orch.exceptions import BackendError, ModelNotFoundError

logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
model = model_path()
with tempfile.TemporaryDirectory() as empty:
    # Nothing is exported there, so PyTorch answers; the warning says why.
    config = {"openvino": {"cache_dir": empty}}
    manager = ModelManager(backend="openvino", backend_config=config)
    manager.load_model(model)
    print(manager.generate(model, "The capital of France is", max_new_tokens=8))
    for event in manager.get_fallback_events():
        print(f"{event['from_backend']} -> {event['to_backend']}: {event['reason']}")

    # Without fallback the error comes instead, and names the command that mends it.
    config["openvino"]["enable_fallback"] = False
    strict = ModelManager(backend="openvino", backend_config=config)
    try:
        strict.load_model(model)
    except (BackendError, ModelNotFoundError) as error:
        print(f"{type(error).__name__}: {error}\nsee {error.docs}")
