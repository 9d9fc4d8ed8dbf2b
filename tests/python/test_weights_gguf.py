"""GGUF reading against the gguf package and transformers."""

from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from reference_models import SMOLLM2_FILE, smollm2_folder
from weights_tool import list_tensors, read_config, read_tensor

SMOLLM2 = smollm2_folder() / SMOLLM2_FILE

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


def assert_equals_transformers(path: Path, tmp_path: Path, model) -> None:
    """Every tensor of a transformers model made from the same file."""
    state = {name: value for name, value in model.state_dict().items() if name != "lm_head.weight"}
    shapes = list_tensors(path)
    assert set(shapes) == set(state)
    for name, value in state.items():
        # GGUF keeps GPT-2's linear weights as [out, in], transformers' Conv1D as [in, out].
        if model.config.model_type == "gpt2" and ".c_" in name and value.dim() == 2:
            value = value.T
        assert shapes[name][1] == tuple(value.shape), name
        np.testing.assert_array_equal(
            read_tensor(path, name, tmp_path), value.numpy().reshape(-1), err_msg=name
        )


def load_with_transformers(path: Path):
    torch = pytest.importorskip("torch")
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    )


def assert_config_equals_transformers(path: Path, config) -> None:
    ours = read_config(path)
    if config.model_type == "gpt2":
        keys = ["n_layer", "n_embd", "n_head", "n_ctx", "layer_norm_epsilon", "vocab_size"]
        keys += ["activation_function"]
    else:
        keys = ["num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads"]
        keys += ["num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "vocab_size"]
        keys += ["hidden_act"]
        assert ours["rope_theta"] == config.rope_parameters["rope_theta"]
    for key in ["model_type", "tie_word_embeddings", *keys]:
        assert ours[key] == getattr(config, key), key


def test_smollm2_equals_transformers(tmp_path):
    model = load_with_transformers(SMOLLM2)
    assert_equals_transformers(SMOLLM2, tmp_path, model)
    assert_config_equals_transformers(SMOLLM2, model.config)


HIDDEN, HEADS, KV_HEADS, FEED_FORWARD, VOCABULARY, LAYERS = 64, 4, 2, 96, 50, 2
KV = HIDDEN // HEADS * KV_HEADS
CONTEXT = 1024  # transformers takes no other for GPT-2: it sets n_ctx, not n_positions

LLAMA_LAYER = {
    "attn_norm.weight": (HIDDEN,),
    "attn_q.weight": (HIDDEN, HIDDEN),
    "attn_k.weight": (KV, HIDDEN),
    "attn_v.weight": (KV, HIDDEN),
    "attn_output.weight": (HIDDEN, HIDDEN),
    "ffn_norm.weight": (HIDDEN,),
    "ffn_gate.weight": (FEED_FORWARD, HIDDEN),
    "ffn_up.weight": (FEED_FORWARD, HIDDEN),
    "ffn_down.weight": (HIDDEN, FEED_FORWARD),
}
QWEN2_BIASES = {"attn_q.bias": (HIDDEN,), "attn_k.bias": (KV,), "attn_v.bias": (KV,)}
GPT2_LAYER = {
    "attn_norm.weight": (HIDDEN,),
    "attn_norm.bias": (HIDDEN,),
    "attn_qkv.weight": (3 * HIDDEN, HIDDEN),
    "attn_qkv.bias": (3 * HIDDEN,),
    "attn_output.weight": (HIDDEN, HIDDEN),
    "attn_output.bias": (HIDDEN,),
    "ffn_norm.weight": (HIDDEN,),
    "ffn_norm.bias": (HIDDEN,),
    "ffn_up.weight": (4 * HIDDEN, HIDDEN),
    "ffn_up.bias": (4 * HIDDEN,),
    "ffn_down.weight": (HIDDEN, 4 * HIDDEN),
    "ffn_down.bias": (HIDDEN,),
}
TOP = {"token_embd.weight": (VOCABULARY, HIDDEN), "output_norm.weight": (HIDDEN,)}
GPT2_TOP = {"position_embd.weight": (CONTEXT, HIDDEN), "output_norm.bias": (HIDDEN,)}


@pytest.mark.parametrize(
    ("architecture", "layer", "top"),
    [
        ("llama", LLAMA_LAYER, TOP),
        ("qwen2", LLAMA_LAYER | QWEN2_BIASES, TOP),
        ("gpt2", GPT2_LAYER, TOP | GPT2_TOP),
    ],
)
def test_random_model_equals_transformers(architecture, layer, top, tmp_path):
    shapes = top | {
        f"blk.{i}.{name}": shape for i in range(LAYERS) for name, shape in layer.items()
    }
    generator = np.random.default_rng(5)
    writer = gguf.GGUFWriter(tmp_path / "model.gguf", architecture)
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(4 * HIDDEN if architecture == "gpt2" else FEED_FORWARD)
    writer.add_head_count(HEADS)
    if architecture == "gpt2":
        writer.add_layer_norm_eps(1e-4)
    else:
        writer.add_head_count_kv(KV_HEADS)
        writer.add_layer_norm_rms_eps(1e-4)
        writer.add_rope_freq_base(5000.0)
        writer.add_vocab_size(VOCABULARY)
    writer.add_token_list([f"t{i}" for i in range(VOCABULARY)])
    for name, shape in shapes.items():
        writer.add_tensor(name, generator.normal(0, 1, shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    path = tmp_path / "model.gguf"
    model = load_with_transformers(path)
    assert_equals_transformers(path, tmp_path, model)
    assert_config_equals_transformers(path, model.config)
