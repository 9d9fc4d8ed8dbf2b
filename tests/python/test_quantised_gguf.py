"""GGUF's blocks in an exported IR: no second quantisation, by what gguf and transformers read."""

from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from ir_tool import TOOL, export_ir

ov = pytest.importorskip("openvino")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

if not TOOL.exists():
    pytest.skip(f"{TOOL} is not built", allow_module_level=True)

HIDDEN, HEADS, KV_HEADS, FEED_FORWARD, VOCABULARY = 128, 4, 2, 160, 50
KV = HIDDEN // HEADS * KV_HEADS
MATRICES = {
    "attn_q": (HIDDEN, HIDDEN),
    "attn_k": (KV, HIDDEN),
    "attn_v": (KV, HIDDEN),
    "attn_output": (HIDDEN, HIDDEN),
    "ffn_gate": (FEED_FORWARD, HIDDEN),
    "ffn_up": (FEED_FORWARD, HIDDEN),
    "ffn_down": (HIDDEN, FEED_FORWARD),
}
PACKED = {
    "self_attn.qkv_proj": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "self_attn.o_proj": ["self_attn.o_proj"],
    "mlp.gate_up_proj": ["mlp.gate_proj", "mlp.up_proj"],
    "mlp.down_proj": ["mlp.down_proj"],
}


def write_llama(path: Path, kind: Type, kept_in_more: str = "") -> None:
    generator = np.random.default_rng(9)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(256)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(VOCABULARY)
    writer.add_token_list([f"t{i}" for i in range(VOCABULARY)])
    for name in ("blk.0.attn_norm.weight", "blk.0.ffn_norm.weight", "output_norm.weight"):
        writer.add_tensor(name, np.ones(HIDDEN, np.float32))
    writer.add_tensor(
        "token_embd.weight", generator.normal(0, 1, (VOCABULARY, HIDDEN)).astype(np.float32)
    )
    for name, shape in MATRICES.items():
        values = generator.normal(0.05, 0.3, shape).astype(np.float32)
        stored = Type.Q8_0 if name == kept_in_more else kind
        writer.add_tensor(
            f"blk.0.{name}.weight", gguf.quants.quantize(values, stored), raw_dtype=stored
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def reference_matrices(path: Path) -> dict[str, np.ndarray]:
    """The dequantised matrices, Q and K in the order of rows that transformers gives them."""
    state = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    ).state_dict()
    return {
        name: np.concatenate([state[f"model.layers.0.{part}.weight"].numpy() for part in parts])
        for name, parts in PACKED.items()
    }


def exported_matrices(xml: Path) -> dict[str, tuple[np.ndarray, str]]:
    """Each projection's matrix as OpenVINO computes it from the IR, and the constants' type."""
    model = ov.Core().read_model(xml)
    nodes = {node.get_friendly_name(): node for node in model.get_ops()}
    result = {}
    for name in PACKED:
        matrix = nodes[f"model.layers.0.{name}"].input_value(1)
        constant = matrix.get_node()
        while constant.get_type_name() != "Constant":
            constant = constant.input_value(0).get_node()
        exact = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = ov.Core().compile_model(ov.Model([matrix], []), "CPU", exact)
        result[name] = compiled([])[0], constant.get_element_type().get_type_name()
    return result


@pytest.mark.parametrize(
    ("kind", "precision", "type_name"), [(Type.Q4_0, "INT4", "i4"), (Type.Q8_0, "INT8", "i8")]
)
def test_blocks_become_constants_without_a_change(kind, precision, type_name, tmp_path):
    write_llama(tmp_path / "model.gguf", kind)
    expected = reference_matrices(tmp_path / "model.gguf")
    exported = exported_matrices(export_ir(tmp_path / "model.gguf", tmp_path / "ir", precision))
    for name, (matrix, stored) in exported.items():
        np.testing.assert_array_equal(matrix, expected[name], err_msg=name)
        assert stored == type_name


def test_minimums_go_into_columns_for_sums(tmp_path):
    write_llama(tmp_path / "model.gguf", Type.Q4_1)
    expected = reference_matrices(tmp_path / "model.gguf")
    exported = exported_matrices(export_ir(tmp_path / "model.gguf", tmp_path / "ir", "INT4"))
    for name, (matrix, stored) in exported.items():
        width = expected[name].shape[1]
        sums = np.repeat(matrix[:, width : width + width // 32], 32, axis=1)
        error = np.abs(matrix[:, :width] + sums - expected[name]).max()
        without = np.abs(matrix[:, :width] - expected[name]).max()
        assert stored == "u4"
        assert error < without / 12, name
        assert not matrix[:, width + width // 32 :].any()


def test_what_a_file_keeps_in_more_bits_stays_in_eight(tmp_path):
    write_llama(tmp_path / "model.gguf", Type.Q4_0, kept_in_more="attn_v")
    types = {
        name: stored
        for name, (_, stored) in exported_matrices(
            export_ir(tmp_path / "model.gguf", tmp_path / "ir", "INT4")
        ).items()
    }
    assert types.pop("self_attn.qkv_proj") == "i8"
    assert set(types.values()) == {"i4"}
