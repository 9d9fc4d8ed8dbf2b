"""Run the same prompts on both backends, in turn."""

import tempfile

from example_model import model_path
from mm_orch import ModelManager

model = model_path()
with tempfile.TemporaryDirectory() as folder:
    config = {"openvino": {"cache_dir": folder, "auto_export": True}}
    manager = ModelManager(backend="openvino", backend_config=config)
    manager.load_model(model)
    for prompt in ("The sun is", "Water boils at"):
        manager.generate(model, prompt, max_new_tokens=8)

    comparison = manager.compare_backends("pytorch", "openvino")
    for backend in ("pytorch", "openvino"):
        stats = comparison[f"{backend}_stats"]
        print(f"{backend}: {stats['avg_throughput']:.1f} tokens/s, {stats['avg_latency']:.3f} s")
    print(f"OpenVINO: {comparison['throughput_improvement']:+.1f}% tokens per second")
