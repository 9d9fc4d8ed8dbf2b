"""The sampler's distribution against transformers' logits processors and warpers."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers.generation import logits_process as lp

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MM_ORCH_BUILD_DIR", REPOSITORY / "build" / "release"))
TOOL = BUILD / "bin" / "sampler_probabilities"

CASES = [
    {},
    {"temperature": 0.3},
    {"temperature": 2.5},
    {"top_k": 1},
    {"top_k": 40},
    {"top_k": 100000},
    {"top_p": 0.05},
    {"top_p": 0.5},
    {"top_p": 0.95},
    {"min_p": 0.02},
    {"min_p": 1.0},
    {"repetition_penalty": 1.3},
    {"repetition_penalty": 0.7},
    {"min_new_tokens": 1, "eos_token_ids": [0, 5, 17]},
    {"temperature": 0.7, "top_k": 50, "top_p": 0.9},
    {"temperature": 1.4, "top_p": 0.8, "min_p": 0.1},
    {
        "temperature": 0.6,
        "top_k": 20,
        "top_p": 0.95,
        "min_p": 0.05,
        "repetition_penalty": 1.1,
        "min_new_tokens": 3,
        "eos_token_ids": [2],
    },
]


def reference(case: dict, logits: torch.Tensor, history: list[int]) -> np.ndarray:
    """Probabilities [V] from the classes that transformers' generate() would chain."""
    processors = lp.LogitsProcessorList()
    if "repetition_penalty" in case:
        processors.append(lp.RepetitionPenaltyLogitsProcessor(case["repetition_penalty"]))
    if "min_new_tokens" in case:
        processors.append(
            lp.MinNewTokensLengthLogitsProcessor(
                len(history), case["min_new_tokens"], case["eos_token_ids"], device="cpu"
            )
        )
    if "temperature" in case:
        processors.append(lp.TemperatureLogitsWarper(case["temperature"]))
    if "top_k" in case:
        processors.append(lp.TopKLogitsWarper(case["top_k"]))
    if "top_p" in case:
        processors.append(lp.TopPLogitsWarper(case["top_p"]))
    if "min_p" in case:
        processors.append(lp.MinPLogitsWarper(case["min_p"]))
    ids = torch.tensor([history])
    return torch.softmax(processors(ids, logits[None].clone()).double(), -1)[0].numpy()


def make_logits(kind: str, rng: np.random.Generator) -> np.ndarray:
    if kind == "small":
        return rng.normal(0, 2, 300).astype(np.float32)
    if kind == "peaked":
        return rng.normal(-5, 4, 5000).astype(np.float32)
    # Few distinct values, as a model in bf16 gives them: ties at the edge of top-k.
    return rng.integers(-12, 12, 500).astype(np.float32) / 4


@pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built")
@pytest.mark.parametrize("kind", ["small", "peaked", "tied"])
def test_distribution_equals_transformers(kind):
    rng = np.random.default_rng(20)
    requests, expected = [], []
    for case in CASES:
        if kind == "tied" and "top_p" in case:
            continue  # transformers breaks ties there by an unstable sort
        logits = make_logits(kind, rng)
        history = rng.integers(0, len(logits), 30).tolist()
        requests.append({**case, "history": history, "logits": logits.tolist()})
        expected.append(reference(case, torch.from_numpy(logits), history))
    reply = subprocess.run(
        [TOOL], input=json.dumps(requests), capture_output=True, text=True, check=True
    )
    for request, theirs, ours in zip(requests, expected, json.loads(reply.stdout), strict=True):
        case = {key: value for key, value in request.items() if key not in ("logits", "history")}
        underflows = (theirs > 0) & (theirs < 1e-30)  # a float weight may be 0 there
        kept = (np.array(ours) > 0) | underflows
        np.testing.assert_array_equal(kept, theirs > 0, err_msg=str(case))
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-9, err_msg=str(case))
