"""What a load keeps beside an exported model, for the next process."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from mm_orch.runtime.model_manager import ModelManager
from reference_models import SMOLLM2_FILE, smollm2_folder

LOAD = """
import json, logging, sys
from mm_orch.runtime.model_manager import ModelManager
logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
model, cache = sys.argv[1:]
config = {"openvino": {"enable_fallback": False, "cache_dir": cache}}
manager = ModelManager(backend="openvino", backend_config=config)
manager.load_model(model)
options = {"max_new_tokens": 20, "prompt_lookup": False}  # how many are guessed depends on times
print(json.dumps(manager.generate(model, "The capital of France is", **options)))
"""


def load(model: str, cache: Path) -> tuple[str, str]:
    """The text and the log of a process of its own."""
    result = subprocess.run(
        [sys.executable, "-c", LOAD, model, str(cache)],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    return json.loads(result.stdout), result.stderr


@pytest.mark.parametrize("precision", ["FP32", "INT8"])
def test_a_real_model_says_the_same_from_its_kept_form(precision, tmp_path):
    model = str(smollm2_folder() / SMOLLM2_FILE)
    config = {"openvino": {"cache_dir": str(tmp_path)}}
    ModelManager(backend_config=config).export_model(model, precision, check=False)
    text, log = load(model, tmp_path)
    assert ".compiled is used" not in log
    again, log = load(model, tmp_path)
    assert ".compiled is used" in log
    assert again == text


def test_the_first_load_uses_what_the_check_of_an_export_compiled(tmp_path):
    model = str(smollm2_folder() / SMOLLM2_FILE)
    config = {"openvino": {"cache_dir": str(tmp_path)}}
    manager = ModelManager(backend_config=config)
    manager.export_model(model, "INT8", tune=False)
    text, log = load(model, tmp_path)
    assert ".compiled is used" in log
    assert text


def test_an_export_takes_the_old_form_away(tiny_model, tmp_path):
    config = {"openvino": {"cache_dir": str(tmp_path)}}
    manager = ModelManager(backend="openvino", backend_config=config)
    manager.export_model(tiny_model, "INT8", check=False)
    manager.load_model(tiny_model)
    assert len(list(tmp_path.rglob("*.compiled"))) == 1
    manager.export_model(tiny_model, "FP16", check=False)
    assert not list(tmp_path.rglob("*.compiled"))


def test_the_configuration_can_forbid_it(tiny_model, tmp_path):
    config = {"openvino": {"cache_dir": str(tmp_path), "keep_compiled": False}}
    manager = ModelManager(backend="openvino", backend_config=config)
    manager.export_model(tiny_model, "INT8", tune=False)
    manager.load_model(tiny_model)
    assert not list(tmp_path.rglob("*.compiled"))


def test_a_damaged_form_is_made_anew(tiny_model, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    config = {"openvino": {"enable_fallback": False, "cache_dir": str(tmp_path)}}
    manager = ModelManager(backend="openvino", backend_config=config)
    manager.export_model(tiny_model, "INT8", check=False)
    manager.load_model(tiny_model)
    text = manager.generate(tiny_model, "Hello")
    (file,) = tmp_path.rglob("*.compiled")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.write_bytes(content)
    manager.unload_all()
    caplog.clear()
    manager.load_model(tiny_model)
    (record,) = [record for record in caplog.records if ".compiled" in record.message]
    assert (record.levelno, "it is damaged" in record.message) == (logging.WARNING, True)
    assert manager.generate(tiny_model, "Hello") == text
    manager.unload_all()
    caplog.clear()
    manager.load_model(tiny_model)
    assert ".compiled is used" in caplog.text
