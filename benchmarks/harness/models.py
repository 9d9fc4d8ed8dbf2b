"""The models of the comparison. Their files are made by harness/make_model.py."""

from dataclasses import dataclass

from harness.contenders import GPT2, LLAMA, T5


@dataclass(frozen=True)
class Model:
    """What is asked of a model depends on its size and its context."""

    name: str  # its folder under build/benchmark/models
    title: str
    family: str
    new_tokens: int = 50
    prefill: tuple[int, ...] = (128, 512, 2048)
    batch: tuple[int, ...] = (4, 16, 32)
    batch_new_tokens: int = 32
    repeats: int = 3  # decode runs in each visit
    longest_fp32_prefill: int = 2048  # beyond this only the compressed rows are asked
    compiled: bool = False  # torch.compile takes minutes: asked of one model
    crowd: bool = False  # real text: asked of it what many callers and repetitions need
    left_out: tuple[str, ...] = ()  # artifacts whose making or running takes too long


MODELS = {
    model.name: model
    for model in [
        Model("smollm2", "SmolLM2-135M-Instruct", LLAMA, compiled=True, crowd=True),
        Model("gpt2", "GPT-2 124M, random weights", GPT2, prefill=(128, 512)),
        Model(
            "llama-1b", "Llama shape 1.1B, random weights", LLAMA, new_tokens=20,
            batch_new_tokens=12, repeats=2, longest_fp32_prefill=512,
            left_out=("optimum/fp32", "optimum/fp16", "ctranslate2/float32", "ours/FP32"),
        ),
        Model("t5-small", "T5-small shape, random weights", T5, prefill=()),
    ]
}  # fmt: skip
