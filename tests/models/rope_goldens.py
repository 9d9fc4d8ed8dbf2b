"""Prints the golden values of rope_frequencies_test.cpp, computed by transformers."""

from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

CASES = {
    "default": ({"rope_type": "default"}, 10000.0, 64),
    "linear": ({"rope_type": "linear", "factor": 4.0}, 10000.0, 64),
    "llama3": (
        {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
        500000.0,
        256,
    ),
    "yarn": (
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32},
        10000.0,
        128,
    ),
    "yarn_options": (
        {
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 32,
            "beta_fast": 16,
            "beta_slow": 2,
            "mscale": 0.7,
            "mscale_all_dim": 0.9,
        },
        10000.0,
        128,
    ),
}

for name, (scaling, theta, context) in CASES.items():
    config = LlamaConfig(
        hidden_size=64,
        num_attention_heads=4,
        head_dim=16,
        max_position_embeddings=context,
        rope_parameters={"rope_theta": theta, **scaling},
    )
    rope = LlamaRotaryEmbedding(config)
    frequencies = ", ".join(f"{value:.9g}f" for value in rope.inv_freq.tolist())
    print(f"{name}: {{{frequencies}}}, factor {rope.attention_scaling:.9g}")
