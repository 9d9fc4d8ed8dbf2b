"""The check that ends an export: its figures against numpy's, and what follows from its verdict."""

import json
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
from mm_orch.exceptions import FidelityError
from mm_orch.runtime.model_manager import ModelManager
from prompts import FIDELITY_TEXTS
from reference_models import SMOLLM2_FILE, minilm_folder, smollm2_folder
from transformers import AutoModel, AutoTokenizer

MOST_TOKENS = 64
# How near the figures must be, of means and of maxima. The check feeds four prompts at once, this
# test one: another order of sums, which bf16 feels; in FP32 it is the noise below.
MEAN, MOST, TOP1 = 0.15, 0.5, 0.025
KL_NOISE, LOGIT_NOISE = 1e-8, 2e-4


def loaded(backend: str, model: str, cache: Path) -> ModelManager:
    config = {"openvino": {"enable_fallback": False, "cache_dir": str(cache)}}
    manager = ModelManager(backend=backend, backend_config=config)
    manager.load_model(model)
    return manager


def logits_of(manager: ModelManager, model: str, stepwise: bool) -> np.ndarray:
    """[T, V]: of all prompts, one after another."""
    prompts = [manager.tokenize(model, text)[:MOST_TOKENS] for text in FIDELITY_TEXTS]
    scores = [
        manager.score(model, prompt, stepwise=stepwise, with_logits=True) for prompt in prompts
    ]
    return np.concatenate([score.logits for score in scores]).astype(np.float64)


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory) -> tuple[str, np.ndarray]:
    model = str(smollm2_folder() / SMOLLM2_FILE)
    manager = loaded("pytorch", model, tmp_path_factory.mktemp("none"))
    return model, logits_of(manager, model, stepwise=False)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("precision", ["FP32", "FP16", "INT8"])
def test_the_report_has_the_figures_that_numpy_gives(smollm2, precision, tmp_path, capsys):
    model, source = smollm2
    config = {"openvino": {"cache_dir": str(tmp_path)}}
    result = ModelManager(backend_config=config).export_model(model, precision)
    report = json.loads(Path(result.xml_path).with_suffix(".fidelity.json").read_text())
    assert report == result.fidelity
    with capsys.disabled():
        print(f"\n{precision}: export {result.seconds:.1f} s, {report['summary']}", end="")
        print(f", {report['seconds']:.1f} s", end="")
    assert report["status"] == "passed"
    assert (report["version"], report["precision"]) == (1, precision)

    exported = logits_of(loaded("openvino", model, tmp_path), model, stepwise=True)
    p, q = log_softmax(source), log_softmax(exported)
    kl = (np.exp(p) * (p - q)).sum(axis=1)
    error = np.abs(source - exported)
    span = source.max(axis=1) - source.min(axis=1)
    differs = source.argmax(axis=1) != exported.argmax(axis=1)
    figures = report["figures"]
    assert figures["tokens"] == len(source)

    def check(key: str, value: float, noise: float) -> None:
        tolerance = MEAN if key.startswith("mean") else MOST
        assert figures[key] == pytest.approx(value, rel=tolerance, abs=noise), key

    check("mean_kl", kl.mean(), KL_NOISE)
    check("max_kl", kl.max(), KL_NOISE)
    check("mean_logit_error", error.mean(), LOGIT_NOISE)
    check("max_logit_error", error.max(), LOGIT_NOISE)
    check("mean_relative_error", (error.mean(axis=1) / span).mean(), LOGIT_NOISE / span.min())
    check("max_relative_error", (error.max(axis=1) / span).max(), LOGIT_NOISE / span.min())
    assert figures["top1_agreement"] == pytest.approx(1 - differs.mean(), abs=TOP1)
    if precision == "FP32":
        assert figures["first_divergence"] is None and not differs.any()


def mark_failed(xml_path: str) -> None:
    path = Path(xml_path).with_suffix(".fidelity.json")
    report = json.loads(path.read_text()) | {"status": "failed", "reason": "for the test"}
    path.write_text(json.dumps(report))


def test_a_failed_model_is_refused_and_pytorch_answers(tiny_model, tmp_path):
    config = {"openvino": {"cache_dir": str(tmp_path)}}
    manager = ModelManager(backend="openvino", backend_config=config)
    mark_failed(manager.export_model(tiny_model).xml_path)
    manager.load_model(tiny_model)
    assert manager.get_model_info(tiny_model)["backend"] == "pytorch"
    assert [e["reason"] for e in manager.get_fallback_events()] == ["fidelity_check_failed"]

    with pytest.raises(FidelityError, match="for the test.*mean KL.*--precision FP32 --force"):
        loaded("openvino", tiny_model, tmp_path)
    assert manager.export_model(tiny_model, force=True).fidelity["status"] == "passed"
    assert loaded("openvino", tiny_model, tmp_path).get_model_info(tiny_model)["backend"]


def test_without_the_check_the_report_says_so_and_the_model_is_used(tiny_model, tmp_path):
    config = {"openvino": {"cache_dir": str(tmp_path)}}
    result = ModelManager(backend_config=config).export_model(tiny_model, check=False)
    report = result.fidelity
    assert (report["status"], report["reason"]) == ("unchecked", "not asked for")
    assert report["figures"] is None
    loaded("openvino", tiny_model, tmp_path)


@pytest.mark.parametrize("precision", ["FP32", "FP16", "INT8"])
def test_an_encoder_is_checked_by_its_vectors(precision, tmp_path, capsys):
    """Against transformers' vectors and those that plain OpenVINO computes from the files."""
    folder = str(minilm_folder())
    config = {"openvino": {"cache_dir": str(tmp_path)}}
    manager = ModelManager(backend_config=config)
    result = manager.export_model(folder, precision)
    report = result.fidelity
    with capsys.disabled():
        print(f"\n{precision}: {report['summary']}, {report['seconds']:.1f} s", end="")
    assert report["status"] == "passed" and report["figures"] is None

    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = [tokenizer(text)["input_ids"][:MOST_TOKENS] for text in FIDELITY_TEXTS]
    ids = np.array([prompt[: min(map(len, ids))] for prompt in ids])
    with torch.no_grad():
        source = AutoModel.from_pretrained(folder).eval()(torch.tensor(ids)).last_hidden_state
    exact = {"INFERENCE_PRECISION_HINT": "f32"} if precision == "FP32" else {}
    exported = openvino.Core().compile_model(result.xml_path, "CPU", exact)(
        {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
    )["last_hidden_state"]
    a, b = source.numpy().astype(np.float64), exported.astype(np.float64)
    cosine = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    figures = report["vectors"]
    assert figures["tokens"] == ids.size
    assert 1 - figures["min_cosine"] == pytest.approx(1 - cosine.min(), rel=MOST, abs=1e-9)
    error = (np.abs(a - b).max(-1) / np.ptp(a, axis=-1)).max()
    assert figures["max_relative_error"] == pytest.approx(error, rel=MOST, abs=1e-5)
