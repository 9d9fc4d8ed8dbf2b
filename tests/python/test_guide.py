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


@pytest.mark.parametrize("document", ["openvino_migration_guide.md", "openvino_config_examples.md"])
def test_yaml_blocks_are_valid_configurations(document, tmp_path):
    found = blocks("yaml", (DOCS / document).read_text())
    assert found
    for number, text in enumerate(found):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        ModelManager(backend_config=path)


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
