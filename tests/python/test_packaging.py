"""What an installation carries, and that it lives beside torch, openvino and tokenizers."""

import importlib.resources
import itertools
import json
import subprocess
import sys
import sysconfig
import textwrap
from pathlib import Path

import pytest

PACKAGE = importlib.resources.files("mm_orch")


def run(body: str, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(body), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_files_of_the_wheel():
    for name in (
        "py.typed",
        "_core.pyi",
        "bin/mm-orch",
        "lib/libmm_orch.so",
        "lib/libmm_orch_torch.so",
        "lib/libmm_orch_openvino.so",
        "include/mm_orch/model_manager.h",
        "lib/cmake/mm_orch/mm_orchConfig.cmake",
    ):
        assert PACKAGE.joinpath(name).is_file(), name


def test_libraries_name_no_folder_of_the_build_machine():
    root = Path(str(PACKAGE))
    for library in [*root.glob("lib/*.so"), *root.glob("_core*.so"), root / "bin/mm-orch"]:
        text = subprocess.run(
            ["readelf", "-d", library], capture_output=True, text=True, check=True
        ).stdout
        paths = [line for line in text.splitlines() if "RUNPATH" in line or "RPATH" in line]
        assert paths, library
        for folder in paths[0].split("[")[1].rstrip("]").split(":"):
            assert folder.startswith("$ORIGIN"), f"{library}: {folder}"


def test_importing_brings_no_framework_and_is_fast():
    out = run("""
        import json, sys, time
        start = time.perf_counter()
        import mm_orch
        seconds = time.perf_counter() - start
        heavy = {"torch", "openvino", "transformers", "huggingface_hub", "numpy"} & set(sys.modules)
        print(json.dumps([seconds, sorted(heavy)]))
    """)
    seconds, heavy = json.loads(out)
    assert heavy == []
    assert seconds < 1.0


@pytest.mark.parametrize("order", list(itertools.permutations(["mm_orch", "torch", "openvino"])))
def test_any_import_order_uses_one_torch_and_one_openvino(order, tiny_model, tmp_path):
    out = run(
        """
        import importlib, json, sys
        order, model, cache = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]

        def use(name):
            module = importlib.import_module(name)
            if name == "torch":
                assert float((module.ones(64, 64) @ module.ones(64, 64)).sum()) == 64.0 ** 3
            elif name == "openvino":
                assert "CPU" in module.Core().available_devices
            else:
                for backend in ("pytorch", "openvino"):
                    config = {"openvino": {"cache_dir": cache, "enable_fallback": False,
                                           "auto_export": True}}
                    manager = module.ModelManager(backend=backend, backend_config=config)
                    manager.load_model(model)
                    texts.append(manager.generate(model, "Hello", max_new_tokens=8))

        texts = []
        import tokenizers
        for name in order:
            use(name)
        assert tokenizers.Tokenizer.from_file(model + "/tokenizer.json").encode("a").ids
        use("mm_orch")
        assert len(set(texts)) == 1, texts
        mapped = {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
        names = ("libtorch_cpu", "libc10.so", "libopenvino.so", "libgomp")
        print(json.dumps([sum(name in path for path in mapped) for name in names]))
        """,
        json.dumps(order),
        tiny_model,
        str(tmp_path),
    )
    assert json.loads(out) == [1, 1, 1, 1]


def test_console_script_runs_the_program():
    script = Path(sysconfig.get_path("scripts")) / "mm-orch"
    result = subprocess.run([script, "--version"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "0.1.0" in result.stdout


def test_types_are_seen_by_a_checker(tmp_path):
    (tmp_path / "good.py").write_text(
        textwrap.dedent("""
        from mm_orch import GenerationResult
        from mm_orch.runtime.model_manager import ModelManager

        manager = ModelManager(backend="openvino", backend_config={"openvino": {"device": "CPU"}})
        text: str = manager.generate("gpt2", "Hello", max_length=50, stream=print)
        texts: list[str] = manager.generate("gpt2", ["Hello"], temperature=0.5)
        result: GenerationResult = manager.generate_tokens("gpt2", [1, 2])
        ids: list[int] = result.new_tokens
        """)
    )
    (tmp_path / "bad.py").write_text(
        "from mm_orch import ModelManager\nModelManager().generate('gpt2', 'Hi', max_tokens=5)\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache")]
    good = subprocess.run([*command, "good.py"], cwd=tmp_path, capture_output=True, text=True)
    assert good.returncode == 0, good.stdout
    bad = subprocess.run([*command, "bad.py"], cwd=tmp_path, capture_output=True, text=True)
    assert bad.returncode == 1
    assert 'No overload variant of "generate"' in bad.stdout


def test_cpp_example_builds_against_the_installation(manager, tiny_model, tmp_path):
    prefix = run("import runpy; runpy.run_module('mm_orch', run_name='__main__')").strip()
    source = Path(__file__).resolve().parents[2] / "examples" / "09_cpp"
    for command in (
        ["cmake", "-S", source, "-B", tmp_path, f"-DCMAKE_PREFIX_PATH={prefix}"],
        ["cmake", "--build", tmp_path],
    ):
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
    program = tmp_path / "generate"
    result = subprocess.run([program, tiny_model, "Hi"], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    expected = manager.generate(tiny_model, "Hi", max_new_tokens=8)
    assert result.stdout.decode() == expected + "\n"
    result = subprocess.run(
        [program, "no/such", "Hi"],
        capture_output=True,
        text=True,
        check=False,
        env={"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
    )
    assert result.returncode == 1
    assert result.stderr.startswith("ModelNotFoundError: ")
