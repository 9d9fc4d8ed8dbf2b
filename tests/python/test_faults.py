"""Real faults of OpenVINO: PyTorch answers and the reason is recorded; without fallback, the error.

Each fault is made, not simulated: packages that are missing or of another version, damaged files,
memory that runs out.
"""

import json
import os
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest
from mm_orch.exceptions import FileValidationError, ModelNotFoundError
from mm_orch.runtime.model_manager import ModelManager
from random_llama import write_llama

PROMPT = "Hello"
SITE_PACKAGES = Path(sysconfig.get_paths()["purelib"])
UV = Path(sys.executable).with_name("uv")

# Prints the answer, the events and what happens without fallback.
CHILD = textwrap.dedent(
    """
    import json, sys
    from mm_orch.exceptions import MuAIError
    from mm_orch.runtime.model_manager import ModelManager

    model, cache, tokens = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

    def answer(fallback):
        config = {"openvino": {"cache_dir": cache, "enable_fallback": fallback}}
        manager = ModelManager(backend="openvino", backend_config=config)
        manager.load_model(model)
        result = manager.generate_tokens(model, tokens, max_new_tokens=8, do_sample=False)
        events = [(event["reason"], event["message"]) for event in manager.get_fallback_events()]
        return {"tokens": list(map(int, result.new_tokens)), "events": events,
                "backend": manager.get_model_info(model)["backend"]}

    def report():
        result = answer(True)
        try:
            answer(False)
        except MuAIError as error:
            result["error"] = [type(error).__name__, str(error)]
        print(json.dumps(result))
    """
)


def run_child(python: Path, code: str, *arguments: str) -> dict:
    command = [python, "-c", CHILD + textwrap.dedent(code), *arguments]
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def pytorch_tokens(model: str, tokens: list[int]) -> list[int]:
    manager = ModelManager()
    manager.load_model(model)
    result = manager.generate_tokens(model, tokens, max_new_tokens=8, do_sample=False)
    return list(map(int, result.new_tokens))


def check_pytorch_answered(result: dict, model: str, reason: str) -> None:
    assert result["tokens"] == pytorch_tokens(model, [1, 2, 3])
    assert result["backend"] == "pytorch"
    assert [event[0] for event in result["events"]] == [reason]


# Packages


@pytest.fixture(scope="module")
def bare_venv(tmp_path_factory) -> Path:
    """Python of a venv with what is installed here but OpenVINO, as hard links."""
    folder = tmp_path_factory.mktemp("venv") / "venv"
    subprocess.run([UV, "venv", "-q", "--python", sys.executable, folder], check=True)
    target = folder / SITE_PACKAGES.relative_to(Path(sys.prefix))
    needed = [
        entry
        for pattern in ("mm_orch*", "torch*", "nvidia*", "numpy*", "typing_extensions*")
        for entry in SITE_PACKAGES.glob(pattern)
    ]
    try:
        subprocess.run(["cp", "-al", *needed, target], check=True)
    except subprocess.CalledProcessError:  # another file system
        subprocess.run(["cp", "-a", "--symbolic-link", *needed, target], check=True)
    return folder / "bin" / "python"


def test_a_venv_without_openvino(bare_venv, tiny_model, tmp_path):
    result = run_child(bare_venv, "report()", tiny_model, str(tmp_path), "[1, 2, 3]")
    check_pytorch_answered(result, tiny_model, "backend_not_available")
    kind, message = result["error"]
    assert kind == "BackendInitializationError"
    assert message.startswith("OpenVINO backend not available")
    assert "pip install openvino" in message


# What `pip install openvino openvino-dev` gives, since openvino-dev pins it.
def test_a_venv_with_the_openvino_that_openvino_dev_pins(bare_venv, tiny_model, tmp_path):
    install = [UV, "pip", "install", "-q", "--python", bare_venv, "--no-deps", "openvino==2024.6.0"]
    installed = subprocess.run(install, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"the wheel cannot be had: {installed.stderr.strip().splitlines()[-1]}")
    result = run_child(bare_venv, "report()", tiny_model, str(tmp_path), "[1, 2, 3]")
    check_pytorch_answered(result, tiny_model, "backend_not_available")
    kind, message = result["error"]
    assert kind == "BackendInitializationError"
    assert message.startswith("OpenVINO backend not available")
    assert "2024.6.0" in message
    built = next(SITE_PACKAGES.glob("openvino-*.dist-info")).name.split("-")[1].split(".dist")[0]
    assert f"pip install openvino=={built}" in message


# Files


def cut_bin(folder: Path) -> Path:
    (path,) = folder.rglob("*.bin")
    os.truncate(path, path.stat().st_size // 2)
    return path


def cut_xml(folder: Path) -> Path:
    (path,) = folder.rglob("*.xml")
    os.truncate(path, path.stat().st_size // 2)
    return path


def garble_xml(folder: Path) -> Path:
    (path,) = folder.rglob("*.xml")
    path.write_bytes(os.urandom(path.stat().st_size))
    return path


def empty_bin(folder: Path) -> Path:
    (path,) = folder.rglob("*.bin")
    path.write_bytes(b"")
    return path


def remove_bin(folder: Path) -> Path:
    (path,) = folder.rglob("*.bin")
    path.unlink()
    return path


@pytest.mark.parametrize("damage", [cut_bin, empty_bin, remove_bin, cut_xml, garble_xml])
def test_a_damaged_export(damage, tiny_model, tmp_path):
    config = {"openvino": {"cache_dir": str(tmp_path)}}
    manager = ModelManager(backend="openvino", backend_config=config)
    manager.export_model(tiny_model, check=False)
    path = damage(tmp_path)
    manager.load_model(tiny_model)
    reference = ModelManager()
    reference.load_model(tiny_model)
    options = {"max_new_tokens": 8, "do_sample": False}
    answer = manager.generate(tiny_model, PROMPT, **options)
    assert answer == reference.generate(tiny_model, PROMPT, **options)
    (event,) = manager.get_fallback_events()
    assert event["reason"] == "model_file_invalid"
    assert path.name in event["message"]

    config["openvino"]["enable_fallback"] = False
    with pytest.raises(FileValidationError, match=path.name):
        ModelManager(backend="openvino", backend_config=config).load_model(tiny_model)


def test_a_damaged_export_without_its_source(tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ModelManager().export_model(tiny_model, output="models/openvino/alone", check=False)
    stem = Path(tiny_model).name
    for path in Path("models/openvino/alone").glob(f"{stem}.*"):
        path.rename(path.with_name(path.name.replace(stem, "alone")))
    manager = ModelManager(backend="openvino")
    manager.load_model("alone")
    manager.unload_all()
    cut_bin(Path("models"))
    with pytest.raises(FileValidationError, match="alone.bin.*PyTorch cannot take over"):
        manager.load_model("alone")
    with pytest.raises(ModelNotFoundError):
        ModelManager().load_model("alone")


# Memory


@pytest.fixture(scope="module")
def large_llama(tmp_path_factory) -> str:
    """140 MB of FP32 weights. PyTorch uses most where the file is mapped; OpenVINO copies all."""
    import torch

    folder = tmp_path_factory.mktemp("models") / "large-llama"
    write_llama(
        folder, 10, hidden=512, intermediate=1376, heads=8, vocabulary=4000, dtype=torch.float32
    )
    return str(folder)


def run_limited(model: str, cache: Path, spare_mb: int) -> dict:
    code = f"""
    import resource
    from pathlib import Path
    small = sys.argv[4]
    def data_bytes():
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmData:")[1].split()[0]) * 1024
    for backend in ("pytorch", "openvino"):  # the libraries and their threads
        config = {{"openvino": {{"cache_dir": cache, "auto_export": True}}}}
        manager = ModelManager(backend=backend, backend_config=config)
        manager.load_model(small)
        manager.generate_tokens(small, tokens, max_new_tokens=2)
        manager.unload_all()
    limit = data_bytes() + {spare_mb} * 2**20
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    report()
    """
    small = str(Path(model).parent / "small")
    return run_child(Path(sys.executable), code, model, str(cache), "[1, 2, 3]", small)


def test_memory_that_runs_out(large_llama, tmp_path):
    small = Path(large_llama).parent / "small"
    write_llama(small, 1, hidden=64, intermediate=128, heads=4, vocabulary=500)
    config = {"openvino": {"cache_dir": str(tmp_path)}}
    ModelManager(backend_config=config).export_model(large_llama, check=False)
    result = run_limited(large_llama, tmp_path, 125)
    check_pytorch_answered(result, large_llama, "out_of_memory")
    assert result["error"][0] == "OutOfMemoryError"


# Devices


def test_a_device_that_is_not_there(tiny_model, tmp_path, caplog):
    config = {"openvino": {"cache_dir": str(tmp_path), "auto_export": True, "device": "GPU.7"}}
    manager = ModelManager(backend="openvino", backend_config=config)
    manager.load_model(tiny_model)
    info = manager.get_model_info(tiny_model)
    assert (info["backend"], info["device"]) == ("openvino", "CPU")
    (event,) = manager.get_fallback_events()
    assert (event["reason"], event["to_backend"]) == ("device_not_available", "openvino")
    assert "Device 'GPU.7' not available" in caplog.text
