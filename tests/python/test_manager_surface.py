"""Registered names, the manager of the process, and configurations that change."""

import logging
import os
import threading
import time

import mm_orch
import pytest
from mm_orch import ModelManager, exceptions


def test_registered_name_stands_for_a_path(tiny_model, tmp_path):
    config = {
        "openvino": {"cache_dir": tmp_path, "enable_fallback": False},
        "model_overrides": {"team/assistant": "openvino"},
    }
    manager = ModelManager(backend_config=config)
    manager.register_model("team/assistant", tiny_model)
    exported = manager.export_model("team/assistant")
    assert exported.xml_path == str(tmp_path / "team" / "assistant" / "assistant.xml")
    manager.load_model("team/assistant")
    assert manager.get_model_info("team/assistant")["backend"] == "openvino"
    text = manager.generate("team/assistant", "Hello", max_new_tokens=4)
    manager.load_model(tiny_model)
    assert manager.generate(tiny_model, "Hello", max_new_tokens=4) == text

    manager.register_model("ir", exported.xml_path)
    manager.load_model("ir", backend_override="openvino")
    assert manager.generate("ir", "Hello", max_new_tokens=4) == text
    with pytest.raises(exceptions.MuAIError, match="assistant.xml"):
        manager.load_model("ir", backend_override="pytorch")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../b", "a/b/c", "a b", "", "~", "a\\b", "a\0b"])
def test_malformed_names_reach_no_file(name, tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    manager = ModelManager()
    with pytest.raises(exceptions.InvalidInputError):
        manager.register_model(name, tiny_model)
    with pytest.raises((exceptions.InvalidInputError, exceptions.ModelNotFoundError)):
        manager.load_model(name)
    with pytest.raises((exceptions.InvalidInputError, exceptions.ModelNotFoundError)):
        manager.export_model(name)
    assert os.listdir(tmp_path) == []


def test_registering_needs_a_model(tmp_path):
    manager = ModelManager()
    with pytest.raises(exceptions.ModelNotFoundError, match="absent"):
        manager.register_model("a", tmp_path / "absent")
    with pytest.raises(exceptions.ModelNotFoundError, match="holds no model"):
        manager.register_model("a", tmp_path)


def test_process_has_one_manager():
    seen = []
    threads = [
        threading.Thread(target=lambda: seen.append(mm_orch.get_model_manager())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, seen))) == 1


def test_configuring_replaces_the_manager_all_or_nothing(tiny_model):
    first = mm_orch.get_model_manager()
    first.load_model(tiny_model)
    with pytest.raises(exceptions.ConfigurationError):
        mm_orch.configure_model_manager(backend="tensorflow")
    with pytest.raises(TypeError):
        mm_orch.configure_model_manager(no_such_option=1)
    assert mm_orch.get_model_manager() is first
    assert first.is_loaded(tiny_model)

    second = mm_orch.configure_model_manager(max_cached_models=5)
    assert mm_orch.get_model_manager() is second
    assert second.get_cache_info()["max_cached_models"] == 5
    assert not first.is_loaded(tiny_model)


def loaded_on(manager: ModelManager, model: str) -> str:
    manager.load_model(model)
    return manager.get_model_info(model)["backend"]


def configuration(backend: str, folder: object) -> str:
    return f"backend:\n  default: {backend}\n  openvino:\n    cache_dir: {folder}\n"


def test_reload_is_all_or_nothing(tiny_model, tmp_path):
    ModelManager(backend_config={"openvino": {"cache_dir": tmp_path}}).export_model(tiny_model)
    file = tmp_path / "backend.yaml"
    file.write_text(configuration("openvino", tmp_path))
    manager = ModelManager(backend_config=file)
    assert loaded_on(manager, tiny_model) == "openvino"

    file.write_text(configuration("opnvino", tmp_path))
    with pytest.raises(exceptions.ConfigurationError, match=r"backend.yaml:2: .*'opnvino'"):
        manager.reload_config()
    assert loaded_on(manager, tiny_model) == "openvino"

    file.write_text(configuration("pytorch", tmp_path))
    manager.reload_config()
    assert manager.get_model_info(tiny_model)["backend"] == "openvino"
    assert loaded_on(manager, tiny_model) == "pytorch"

    manager.reload_config({"default": "openvino", "openvino": {"cache_dir": tmp_path}})
    assert loaded_on(manager, tiny_model) == "openvino"
    with pytest.raises(exceptions.InvalidInputError, match="none was given"):
        manager.reload_config()
    manager.reload_config(file)
    assert loaded_on(manager, tiny_model) == "pytorch"


def test_statistics_in_the_log(tiny_model, caplog):
    manager = ModelManager(backend_config={"statistics": {"log_interval_seconds": 1}})
    manager.load_model(tiny_model)
    time.sleep(1.1)
    with caplog.at_level(logging.INFO, logger="mm_orch"):
        manager.generate(tiny_model, "Hello", max_new_tokens=2)
        manager.generate(tiny_model, "Hello", max_new_tokens=2)
    lines = [r.getMessage() for r in caplog.records if r.getMessage().startswith("Statistics")]
    assert len(lines) == 1
    assert lines[0].startswith("Statistics: pytorch: 1 generation, ")
