"""One contender in a process of its own: loads a model, then answers JSON lines.

Reads {"tokens": [...], "new_tokens": n} from standard input and prints
{"seconds": s, "first_s": t, "new_tokens": n, "rss_mb": m}; its first line is
{"load_s": s, "rss_mb": m}.
"""

import argparse
import json
import sys
import time
from pathlib import Path


def peak_mb() -> float:
    """Peak resident memory of this process (ru_maxrss would start with the parent's)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def load_transformers(model: str, dtype: str):
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.generation.streamers import BaseStreamer

    path = Path(model)
    options = {"dtype": getattr(torch, dtype)}
    if path.suffix == ".gguf":
        options["gguf_file"], path = path.name, path.parent
    network = AutoModelForCausalLM.from_pretrained(path, **options).eval()

    class FirstToken(BaseStreamer):
        """Notes when the first new token arrives (the first put is the prompt)."""

        def __init__(self):
            self.times = []

        def put(self, value):
            self.times.append(time.perf_counter())

        def end(self):
            pass

    def run(tokens: list[int], new_tokens: int) -> tuple[float, int]:
        streamer = FirstToken()
        with torch.no_grad():
            ids = torch.tensor([tokens])
            output = network.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=new_tokens,
                min_new_tokens=new_tokens, do_sample=False, pad_token_id=0, streamer=streamer,
            )  # fmt: skip
        return streamer.times[1], output.shape[1] - len(tokens)

    return run


def load_mm_orch(model: str, backend: str, cache_dir: str):
    from mm_orch.runtime.model_manager import ModelManager

    config = {"openvino": {"enable_fallback": False, "cache_dir": cache_dir}}
    manager = ModelManager(backend=backend, backend_config=config)
    manager.load_model(model)

    def run(tokens: list[int], new_tokens: int) -> tuple[float, int]:
        start = time.perf_counter()
        result = manager.generate_tokens(
            model, tokens, max_new_tokens=new_tokens, do_sample=False, eos_token_id=[]
        )
        return start + result.time_to_first_token_s, len(result.new_tokens)

    return run


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--engine", choices=["transformers", "mm_orch"], required=True)
    parser.add_argument("--backend", default="pytorch")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--cache-dir", default="models/openvino")
    arguments = parser.parse_args()

    start = time.perf_counter()
    if arguments.engine == "transformers":
        run = load_transformers(arguments.model, arguments.dtype)
    else:
        run = load_mm_orch(arguments.model, arguments.backend, arguments.cache_dir)
    print(json.dumps({"load_s": time.perf_counter() - start, "rss_mb": peak_mb()}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        start = time.perf_counter()
        first, count = run(request["tokens"], request["new_tokens"])
        seconds = time.perf_counter() - start
        answer = {"seconds": seconds, "first_s": first - start, "new_tokens": count}
        print(json.dumps({**answer, "rss_mb": peak_mb()}), flush=True)


if __name__ == "__main__":
    main()
