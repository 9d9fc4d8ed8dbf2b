"""What a manager knows of its work: speed, use, memory."""

from example_model import model_path
from mm_orch import ModelManager

model = model_path()
manager = ModelManager(max_cached_models=2)
manager.load_model(model)
for prompt in ("The sun is", "Water boils at", "A cat has"):
    manager.generate(model, prompt, max_new_tokens=12)

stats = manager.get_performance_stats("pytorch")
print(f"{stats['sample_count']} generations")
print(f"latency: {stats['avg_latency']:.3f} s on average, p95 {stats['p95_latency']:.3f} s")
print(f"first token after {stats['time_to_first_token']:.3f} s")
print(f"{stats['avg_throughput']:.1f} tokens per second")

cache = manager.get_cache_info()
print(f"in memory: {len(manager.get_cached_models())} of {cache['max_cached_models']} models")
manager.unload_all()
print(f"after unload_all: {manager.get_cached_models()}")
