"""Writes a Llama with seeded random weights, as Hugging Face lays out a large one: in shards.

Each shard is one layer, so that the shapes of a large model fit in little memory.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file


def write_llama(
    folder: Path,
    layers: int,
    hidden: int = 4096,
    intermediate: int = 11008,
    heads: int = 32,
    kv_heads: int | None = None,
    vocabulary: int = 32000,
    dtype: torch.dtype = torch.bfloat16,
) -> None:
    """The defaults are the shapes of Llama 7B, which has 32 layers. There is no tokenizer.

    kv_heads: None: as many as heads.
    """
    folder.mkdir(parents=True)
    kv_heads = kv_heads or heads
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocabulary,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "torch_dtype": str(dtype).removeprefix("torch."),
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    generator = torch.Generator().manual_seed(layers)

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return (torch.randn(rows, columns, generator=generator) / columns**0.5).to(dtype)

    def layer(prefix: str) -> dict[str, torch.Tensor]:
        kv_rows = hidden // heads * kv_heads
        rows = {"q": hidden, "k": kv_rows, "v": kv_rows, "o": hidden}
        attention = {name: matrix(rows[name], hidden) for name in "qkvo"}
        return {
            f"{prefix}.input_layernorm.weight": torch.ones(hidden, dtype=dtype),
            f"{prefix}.post_attention_layernorm.weight": torch.ones(hidden, dtype=dtype),
            f"{prefix}.mlp.gate_proj.weight": matrix(intermediate, hidden),
            f"{prefix}.mlp.up_proj.weight": matrix(intermediate, hidden),
            f"{prefix}.mlp.down_proj.weight": matrix(hidden, intermediate),
        } | {f"{prefix}.self_attn.{name}_proj.weight": m for name, m in attention.items()}

    places = {}
    for i in range(layers + 1):
        shard = f"model-{i + 1:05}-of-{layers + 1:05}.safetensors"
        if i < layers:
            tensors = layer(f"model.layers.{i}")
        else:
            tensors = {
                "model.embed_tokens.weight": matrix(vocabulary, hidden),
                "model.norm.weight": torch.ones(hidden, dtype=dtype),
                "lm_head.weight": matrix(vocabulary, hidden),
            }
        save_file(tensors, folder / shard, metadata={"format": "pt"})
        places |= dict.fromkeys(tensors, shard)
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
