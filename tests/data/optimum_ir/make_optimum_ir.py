"""Makes the IRs in this folder with optimum-intel, and the logits transformers gives for them.

    uv venv /tmp/optimum
    uv pip install --python /tmp/optimum/bin/python "optimum-intel[openvino]==2.2.0"
    /tmp/optimum/bin/python make_optimum_ir.py

Per model: `<name>.xml` and `<name>.bin` as `optimum-cli export openvino --task
text-generation-with-past` writes them, `config.json`'s content as `<name>.json`, and
`<name>.logits`: float32 [12, V] for the token ids 1, 4, 7 ... 34.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

HERE = Path(__file__).resolve().parent
TOKENS = list(range(1, 37, 3))


def randomize(model: torch.nn.Module) -> torch.nn.Module:
    """Biases and norm weights too: zeros and ones would hide a forgotten one."""
    torch.manual_seed(7)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def models() -> dict[str, torch.nn.Module]:
    llama = LlamaConfig(
        vocab_size=48,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        tie_word_embeddings=True,
    )
    gpt2 = GPT2Config(vocab_size=48, n_embd=16, n_layer=1, n_head=2, n_positions=64)
    return {
        "llama": randomize(LlamaForCausalLM(llama)),
        "gpt2": randomize(GPT2LMHeadModel(gpt2)),
    }


def export(name: str, model: torch.nn.Module, work: Path) -> None:
    source, target = work / name, work / f"{name}_ir"
    model.save_pretrained(source)
    command = [Path(sys.executable).parent / "optimum-cli", "export", "openvino", "--model", source]
    task = ["--task", "text-generation-with-past", "--weight-format", "fp32", target]
    subprocess.run(command + task, check=True)
    for suffix in ("xml", "bin"):
        shutil.copyfile(target / f"openvino_model.{suffix}", HERE / f"{name}.{suffix}")
    shutil.copyfile(source / "config.json", HERE / f"{name}.json")
    with torch.no_grad():
        logits = model(torch.tensor([TOKENS])).logits[0]
    (HERE / f"{name}.logits").write_bytes(logits.numpy().astype("<f4").tobytes())


with tempfile.TemporaryDirectory() as folder:
    for model_name, network in models().items():
        export(model_name, network, Path(folder))
