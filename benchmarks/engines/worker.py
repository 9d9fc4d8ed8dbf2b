"""One contender in a process of its own: loads a model, then answers JSON lines.

Its first line says how long the imports and the load took. Then it reads

    {"do": "generate", "prompts": [[...]], "new_tokens": n, "plainly": true}
    {"do": "clients", "prompts": [[...]], "new_tokens": n, "threads": m, "plainly": true}
    {"do": "serve", "arrivals": [[seconds, [...], n]]}  (engines that serve)
    {"do": "quality", "texts": [[...]], "reference": "file.npy", "is_reference": false}
    {"do": "tokenize", "texts": ["..."]}  (mm_orch alone)

and answers each with one line. An error is a line {"error": ...}, after which it ends.
"""

import importlib
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def seconds_since_start() -> float:
    """Since the system started this process, the interpreter's own start included."""
    ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def memory_mb() -> dict[str, float]:
    """Peak of the resident memory (ru_maxrss would start with the parent's), and what is
    anonymous, which nothing can take back, now."""
    status = Path("/proc/self/status").read_text()

    def field(name: str) -> float:
        return int(status.split(name + ":")[1].split()[0]) / 1024

    return {"peak_rss_mb": field("VmHWM"), "anonymous_mb": field("RssAnon")}


def way_of(engine, request: dict):
    if request.get("plainly"):
        return getattr(engine, "generate_plainly", engine.generate)
    return engine.generate


def generate(engine, request: dict) -> dict:
    run = way_of(engine, request)
    start = time.perf_counter()
    first = run(request["prompts"], request["new_tokens"])
    end = time.perf_counter()
    return {"seconds": end - start, "first_s": first - start}


def clients(engine, request: dict) -> dict:
    """Each prompt is a request of its own."""
    run = way_of(engine, request)
    start = time.perf_counter()
    with ThreadPoolExecutor(request["threads"]) as pool:
        list(pool.map(lambda prompt: run([prompt], request["new_tokens"]), request["prompts"]))
    return {"seconds": time.perf_counter() - start}


def serve(engine, request: dict) -> dict:
    return {"served": engine.serve([tuple(arrival) for arrival in request["arrivals"]])}


def quality(engine, request: dict) -> dict:
    """Mean KL(reference || this) in nats and top-1 agreement over all positions of the texts."""
    import numpy as np

    ours = np.concatenate([engine.logits(text) for text in request["texts"]])
    if request["is_reference"]:
        np.save(request["reference"], ours)
    reference = np.load(request["reference"], mmap_mode="r")

    def log_softmax(row):
        row = row.astype(np.float64)
        row -= row.max()
        return row - np.log(np.exp(row).sum())

    width = min(ours.shape[1], reference.shape[1])  # some engines pad the vocabulary
    total, same = 0.0, 0
    for a, b in zip(reference, ours, strict=True):
        p, q = log_softmax(a[:width]), log_softmax(b[:width])
        total += float((np.exp(p) * (p - q)).sum())
        same += int(p.argmax() == q.argmax())
    return {"mean_kl": total / len(ours), "top1": same / len(ours), "positions": len(ours)}


def tokenize(engine, request: dict) -> dict:
    return {"tokens": [engine.tokenize(text) for text in request["texts"]]}


def main() -> None:
    """Arguments: the adapter's module, the model's path, the options as JSON."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an engine prints must not mix with the answers

    def answer(value: dict) -> None:
        out.write(json.dumps(value) + "\n")
        out.flush()

    module, model, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    try:
        adapter = importlib.import_module(f"engines.{module}")
        start = time.perf_counter()
        adapter.import_engine()
        imported = time.perf_counter()
        engine = adapter.Engine(model, options)
        answer({"import_s": imported - start, "load_s": time.perf_counter() - imported})
        for line in sys.stdin:
            request = json.loads(line)
            result = DO[request["do"]](engine, request)
            answer(result | memory_mb() | {"since_start_s": seconds_since_start()})
    except Exception as error:  # noqa: BLE001  the other contenders go on, this one is named
        answer({"error": f"{type(error).__name__}: {error}"[:600]})
        sys.exit(1)


DO = {
    "generate": generate,
    "clients": clients,
    "serve": serve,
    "quality": quality,
    "tokenize": tokenize,
}

if __name__ == "__main__":
    main()
