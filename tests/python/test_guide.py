"""The documents keep their word: the guide's blocks run as they stand, the reference is current."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY
from mm_orch.runtime.model_manager import ModelManager
from reference_models import GPT2, make_model

DOCS = REPOSITORY / "docs"
GUIDE = (DOCS / "openvino_migration_guide.md").read_text()
IMPORT = "from mm_orch.runtime.model_manager import ModelManager\n"


def blocks(language: str, text: str = GUIDE) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


@pytest.fixture(scope="module")
def clean_folder(tmp_path_factory, gpt2_vocabulary) -> Path:
    """A user's folder: a model named gpt2, the guide's configuration and script, an export."""
    folder = tmp_path_factory.mktemp("user")
    model = folder / "models" / "gpt2"
    make_model(model, GPT2, seed=1)
    (model / "tokenizer.json").unlink()
    for file in ("vocab.json", "merges.txt"):
        shutil.copy(gpt2_vocabulary / file, model)
    (folder / "config").mkdir()
    (folder / "config" / "backend.yaml").write_text(blocks("yaml")[0])
    (folder / "scripts").mkdir()
    shutil.copy(REPOSITORY / "scripts" / "export_to_openvino.py", folder / "scripts")
    command = [sys.executable, "scripts/export_to_openvino.py", "gpt2"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    assert (folder / "models/openvino/gpt2/gpt2.xml").is_file()
    assert (folder / "models/openvino/gpt2/gpt2.bin").is_file()
    return folder


@pytest.mark.parametrize("number", range(len(blocks("python"))))
def test_python_block_runs_as_it_stands(number, clean_folder):
    code = blocks("python")[number]
    if "ModelManager(" in code and "import ModelManager" not in code:
        code = IMPORT + code  # a fragment of the block before it
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=clean_folder, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert "falling back" not in run.stderr
    if "generate(" in code and "print(" in code:
        assert run.stdout.strip()


def test_performance_block_prints_numbers(clean_folder):
    code = next(block for block in blocks("python") if "compare_backends" in block)
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=clean_folder, capture_output=True, text=True, check=True
    )
    assert re.search(r"Average latency: \d+\.\d{3}s", run.stdout), run.stdout
    assert re.search(r"Throughput: \d+\.\d tokens/s", run.stdout)
    assert re.search(r"Speedup: \d+\.\d\dx", run.stdout)


ROLLBACK = GUIDE.split("## Rollback Plan")[1].split("\n## ")[0]


@pytest.fixture
def on_openvino(clean_folder, tmp_path) -> Path:
    """The user's folder, with everything on OpenVINO; to be changed."""
    folder = tmp_path / "user"
    shutil.copytree(clean_folder, folder, symlinks=True)
    return folder


def backend_and_text(code: str, folder: Path) -> tuple[str, str, str]:
    """Of gpt2 after the code has run, and what was written to the log."""
    code += "\nprint(manager.get_model_info('gpt2')['backend'])\nprint(repr(result))\n"
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    backend, text = run.stdout.splitlines()
    return backend, text, run.stderr


def test_rollback_by_removing_the_configuration(on_openvino):
    code = next(block for block in blocks("python") if 'backend_config="config' in block)
    before = backend_and_text(code, on_openvino)
    assert before[0] == "openvino"
    subprocess.run(blocks("bash", ROLLBACK)[0], shell=True, cwd=on_openvino, check=True)
    backend, text, log = backend_and_text(code, on_openvino)
    assert (backend, text) == ("pytorch", before[1])
    assert log.count("config/backend.yaml not found") == 1


def test_rollback_by_updating_the_configuration(on_openvino):
    code = next(block for block in blocks("python") if 'backend_config="config' in block)
    before = backend_and_text(code, on_openvino)
    (on_openvino / "config" / "backend.yaml").write_text(blocks("yaml", ROLLBACK)[0])
    assert backend_and_text(code, on_openvino) == ("pytorch", before[1], "")


def test_rollback_by_updating_the_code(on_openvino):
    rest = 'manager.load_model("gpt2", "transformers")\n'
    rest += 'result = manager.generate("gpt2", "Hello world")\n'
    before = backend_and_text(
        f'{IMPORT}manager = ModelManager(backend="openvino")\n{rest}', on_openvino
    )
    assert before[0] == "openvino"
    after = backend_and_text(IMPORT + blocks("python", ROLLBACK)[0] + rest, on_openvino)
    assert after == ("pytorch", before[1], "")


def test_rollback_of_a_running_manager(on_openvino, monkeypatch):
    monkeypatch.chdir(on_openvino)
    manager = ModelManager(backend_config="config/backend.yaml")
    for text, backend in [(None, "openvino"), (blocks("yaml", ROLLBACK)[0], "pytorch")]:
        if text is not None:
            Path("config/backend.yaml").write_text(text)
            manager.reload_config()
        manager.load_model("gpt2")
        assert manager.get_model_info("gpt2")["backend"] == backend


def precedence_table() -> list[list[str]]:
    text = (DOCS / "openvino_config_examples.md").read_text()
    table = text.split("| `backend_override` |")[1].split("\n\n")[0]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]


@pytest.mark.parametrize("row", precedence_table(), ids="-".join)
def test_the_backend_is_chosen_as_the_table_says(row, clean_folder, monkeypatch):
    monkeypatch.chdir(clean_folder)
    call, model, constructor, default, runs_on = (cell or None for cell in row)
    config: dict = {"openvino": {"enable_fallback": False}}
    if default:
        config["default"] = default
    if model:
        config["model_overrides"] = {"gpt2": model, "another": "openvino"}
    manager = ModelManager(backend=constructor, backend_config=config)
    manager.load_model("gpt2", "transformers", backend_override=call)
    assert manager.get_model_info("gpt2")["backend"] == runs_on


def test_example_configuration_is_the_guides():
    def meaning(text: str) -> list[str]:
        return [line.rstrip() for line in text.splitlines() if line.strip()]

    shipped = (REPOSITORY / "config" / "backend.yaml").read_text()
    assert meaning(shipped) == meaning(blocks("yaml")[0])


def test_links_of_the_documents_lead_somewhere():
    for document in [*DOCS.glob("*.md"), REPOSITORY / "README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_api_reference_is_made_from_the_docstrings():
    script = REPOSITORY / "scripts" / "make_api_reference.py"
    made = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert (DOCS / "api_reference.md").read_text() == made.stdout
