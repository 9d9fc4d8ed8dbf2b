"""Safetensors reading against the safetensors package."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from weights_tool import list_tensors, read_tensor

TYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}


def random_array(kind, shape, generator):
    if np.issubdtype(kind, np.floating):
        return generator.normal(0, 1, shape).astype(kind)
    if kind is np.bool_:
        return generator.integers(0, 2, shape).astype(kind)
    return generator.integers(0, 100, shape).astype(kind)


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_each_type_is_read_as_numpy_reads_it(kind, tmp_path):
    array = random_array(TYPES[kind], (7, 33), np.random.default_rng(1))
    save_file({"t": array}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    assert list_tensors(tmp_path) == {"t": (kind, (7, 33))}
    np.testing.assert_array_equal(
        read_tensor(tmp_path, "t", tmp_path), array.astype(np.float32).reshape(-1)
    )


def test_shards_are_read_as_one_model(tmp_path):
    generator = np.random.default_rng(2)
    arrays = {f"model.layers.{i}.w": generator.normal(0, 1, (5 + i, 8)) for i in range(6)}
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    weight_map = {}
    for shard in range(3):
        file = f"model-{shard + 1:05}-of-00003.safetensors"
        part = {name: arrays[name] for name in list(arrays)[shard::3]}
        save_file(part, tmp_path / file)
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    (tmp_path / "config.json").write_text("{}")
    assert set(list_tensors(tmp_path)) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read_tensor(tmp_path, name, tmp_path), array.reshape(-1))


def test_bf16_of_torch(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_torch_file

    tensor = torch.randn(4, 9, generator=torch.Generator().manual_seed(3)).to(torch.bfloat16)
    save_torch_file({"t": tensor}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    np.testing.assert_array_equal(
        read_tensor(tmp_path, "t", tmp_path), tensor.float().numpy().reshape(-1)
    )
