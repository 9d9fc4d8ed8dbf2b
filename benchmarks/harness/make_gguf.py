"""A model's source as GGUF in F32.

All engines are fed token ids, but mm_orch takes no GGUF without a vocabulary: here bytes
and numbered words.
"""

import json
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors import safe_open


def byte_characters() -> list[str]:
    """The characters by which byte-level vocabularies write the 256 bytes (Radford et al. 2019)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    places = {byte: chr(byte) for byte in shown}
    places |= {byte: chr(256 + i) for i, byte in enumerate(hidden)}
    return [places[byte] for byte in range(256)]


def add_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    tokens = [*byte_characters(), "ab", *(f"w{i}" for i in range(257, size))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * size)
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(size - 1)


def tensors_of(source: Path) -> dict[str, np.ndarray]:
    result = {}
    for file in sorted(source.glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118
                result[name] = tensors.get_tensor(name).to(torch.float32).numpy()
    return result


def permuted(rows: np.ndarray, heads: int) -> np.ndarray:
    """Q and K of a Llama: GGUF's rotary pairs are neighbours, transformers' are halves."""
    shape = rows.shape
    return rows.reshape(heads, 2, shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(shape)


def write_llama(writer: gguf.GGUFWriter, config: dict, tensors: dict) -> None:
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    theta = config.get("rope_theta") or config["rope_parameters"]["rope_theta"]
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_rope_dimension_count(config["hidden_size"] // heads)
    writer.add_rope_freq_base(theta)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    for name, values in tensors.items():
        if name.endswith(("q_proj.weight", "k_proj.weight")):
            values = permuted(values, heads if "q_proj" in name else kv_heads)
        writer.add_tensor(names.get_name(name, (".weight",)), values)


def write_gpt2(writer: gguf.GGUFWriter, config: dict, tensors: dict) -> None:
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_block_count(config["n_layer"])
    writer.add_feed_forward_length(4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.GPT2, config["n_layer"])
    for name, values in tensors.items():
        is_transposed = values.ndim == 2 and ("attn" in name or "mlp" in name)
        values = np.ascontiguousarray(values.T) if is_transposed else values
        full = name if name.startswith("transformer.") else f"transformer.{name}"
        writer.add_tensor(names.get_name(full, (".weight", ".bias")), values)


def write_f32(source: Path, target: Path) -> None:
    config = json.loads((source / "config.json").read_text())
    kind = config["model_type"]
    writer = gguf.GGUFWriter(target, kind)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_vocab_size(config["vocab_size"])
    add_vocabulary(writer, config["vocab_size"])
    {"llama": write_llama, "gpt2": write_gpt2}[kind](writer, config, tensors_of(source))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
