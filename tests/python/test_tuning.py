"""What tuning finds lies beside the model and is used, but never against the configuration."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from mm_orch import exceptions
from mm_orch.runtime.model_manager import ModelManager

EXACT = {
    "INFERENCE_PRECISION_HINT": "f32",
    "KV_CACHE_PRECISION": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
}
TOKENS = [5, 77, 130, 9, 200, 41, 3, 99]


def manager_of(cache: Path, **openvino: object) -> ModelManager:
    config = {"enable_fallback": False, "cache_dir": str(cache), **openvino}
    return ModelManager(backend="openvino", backend_config={"openvino": config})


def logits(model: str, cache: Path, **openvino: object) -> np.ndarray:
    manager = manager_of(cache, **openvino)
    manager.load_model(model)
    return manager.score(model, TOKENS, stepwise=True, with_logits=True).logits.copy()


@pytest.fixture
def tuned(tiny_model, tmp_path) -> tuple[str, Path, Path]:
    """Model, cache folder, report of a tuning whose settings are EXACT."""
    manager = manager_of(tmp_path)
    export = manager.export_model(tiny_model, "INT8", check=False)
    manager.tune_model(tiny_model)
    report = Path(export.xml_path).with_suffix(".tuning.json")
    change(report, settings=EXACT)
    return tiny_model, tmp_path, report


def change(report: Path, **parts: object) -> None:
    report.write_text(json.dumps(json.loads(report.read_text()) | parts))


def test_the_report_says_what_was_tried(tiny_model, tmp_path):
    manager = manager_of(tmp_path)
    calls = []
    result = manager.export_model(
        tiny_model, "INT8", tune=True, progress=lambda *call: calls.append(call)
    )
    report = result.tuning
    file = Path(result.xml_path).with_suffix(".tuning.json")
    assert json.loads(file.read_text()) == report
    assert report == manager.tune_model(tiny_model) | {
        key: report[key] for key in ("settings", "summary", "trials", "seconds")
    }
    assert report["openvino"].startswith("20")
    assert report["machine"]["cores"] >= 1
    own, *others = report["trials"]
    assert own["settings"] == {}
    assert len(others) >= 3
    for trial in others:
        assert trial["settings"]
        if trial["kept"] and trial["mean_kl"] is not None:
            assert trial["mean_kl"] <= 0.015
    kept = [trial["settings"] for trial in report["trials"] if trial["kept"]]
    assert report["settings"] == kept[-1]
    tuning = [call for call in calls if call[2] == "tuning"]
    assert tuning[-1][0] == tuning[-1][1]


def test_fp32_stays_exact(tiny_model, tmp_path):
    manager = manager_of(tmp_path)
    report = manager.export_model(tiny_model, "FP32", tune=True).tuning
    for trial in report["trials"]:
        assert not trial["settings"].keys() & EXACT.keys()
        assert trial["mean_kl"] is None


def test_a_load_uses_what_tuning_found(tuned):
    model, cache, report = tuned
    exact = logits(model, cache)
    report.unlink()
    assert np.array_equal(exact, logits(model, cache, properties=EXACT))
    assert not np.array_equal(exact, logits(model, cache))


def test_the_configuration_wins(tuned):
    model, cache, report = tuned
    group = {"DYNAMIC_QUANTIZATION_GROUP_SIZE": "32"}
    both = logits(model, cache, properties=group)
    report.unlink()
    assert np.array_equal(both, logits(model, cache, properties=EXACT | group))


@pytest.mark.parametrize(
    ("parts", "level", "reason"),
    [
        ({"openvino": "2020.1.0"}, logging.INFO, "made for another openvino"),
        ({"model": "0"}, logging.INFO, "made for another model"),
        ({"version": 99}, logging.WARNING, "not the report of a tuning"),
        ({"trials": "none"}, logging.WARNING, "not the report of a tuning"),
    ],
)
def test_what_is_not_of_here_is_ignored(tuned, caplog, parts, level, reason):
    model, cache, report = tuned
    change(report, **parts)
    caplog.set_level(logging.INFO)
    ignored = logits(model, cache)
    (record,) = [record for record in caplog.records if "tuning.json" in record.message]
    assert record.levelno == level
    assert reason in record.message
    report.unlink()
    assert np.array_equal(ignored, logits(model, cache))


def test_a_load_that_may_export_tunes_again(tuned, caplog):
    model, cache, report = tuned
    good = json.loads(report.read_text())
    change(report, machine=good["machine"] | {"cpu": "another"}, seconds=0)
    caplog.set_level(logging.INFO)
    logits(model, cache, auto_export=True)
    assert "tuned for another machine" in caplog.text
    again = json.loads(report.read_text())
    assert again["machine"] == good["machine"]
    assert again["seconds"] > 0
    for trial in again["trials"]:
        assert not trial["kept"] or (trial["mean_kl"] or 0) <= 0.015
    caplog.clear()
    used = logits(model, cache, auto_export=True)
    assert "tun" not in caplog.text
    assert np.array_equal(used, logits(model, cache, properties=again["settings"]))


def test_settings_that_do_not_compile_are_left_out(tuned, caplog):
    model, cache, report = tuned
    change(report, settings={"ENABLE_CPU_PINNING": "sideways"})
    untuned = logits(model, cache)
    assert "without what tuning found" in caplog.text
    report.unlink()
    assert np.array_equal(untuned, logits(model, cache))


def test_ctrl_c_ends_a_tuning(tiny_model, tmp_path):
    manager = manager_of(tmp_path)
    manager.export_model(tiny_model, "INT8", check=False)

    def stop(done: int, total: int, what: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        manager.tune_model(tiny_model, progress=stop)
    assert not list(tmp_path.rglob("*.tuning.json"))


def test_what_is_not_exported_is_not_tuned(tiny_model, tmp_path):
    with pytest.raises(exceptions.ModelNotFoundError):
        manager_of(tmp_path).tune_model(tiny_model)
