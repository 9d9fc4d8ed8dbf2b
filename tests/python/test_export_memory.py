"""An export takes the memory of a layer, however many the model has: done under a limit."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from random_llama import write_llama

SHAPE = {"hidden": 512, "intermediate": 1376, "heads": 8, "vocabulary": 4000}
LIMIT_MB = 48  # beyond what the libraries take; a layer has 13 MB in FP32, the model 168

CODE = textwrap.dedent(
    """
    import resource, sys
    from pathlib import Path
    from mm_orch.runtime.model_manager import ModelManager

    small, model, precision, folder, limit_mb = sys.argv[1:]
    manager = ModelManager()
    manager.export_model(small, precision, folder + "/small", check=False)  # loads the libraries
    status = Path("/proc/self/status").read_text()
    data = int(status.split("VmData:")[1].split()[0]) * 1024
    limit = data + int(limit_mb) * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        bytearray(2 * int(limit_mb) * 2**20)
        sys.exit("the limit is not felt")
    except MemoryError:
        pass
    manager.export_model(model, precision, folder + "/large", check=False)
    """
)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("llamas")
    write_llama(folder / "small", layers=1, **SHAPE)
    write_llama(folder / "large", layers=12, **SHAPE)
    return folder / "small", folder / "large"


def export_within(
    limit_mb: int, models, precision: str, folder: Path
) -> subprocess.CompletedProcess:
    small, large = models
    command = [sys.executable, "-c", CODE, small, large, precision, folder, str(limit_mb)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("precision", ["FP32", "FP16", "INT8"])
def test_an_export_fits_into_the_memory_of_a_few_layers(precision, models, tmp_path):
    done = export_within(LIMIT_MB, models, precision, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "large" / "large.bin").stat().st_size > 40e6
