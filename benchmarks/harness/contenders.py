"""Who takes part: one line for each engine in each precision."""

import os
from dataclasses import dataclass, field

THREADS = os.cpu_count()
BASELINE = "transformers FP32"
PLAIN_LOOP = "plain loop INT8"  # over our IR: no peer, but what our decode must not fall behind

LLAMA, GPT2, T5 = "llama", "gpt2", "t5"
DECODERS = (LLAMA, GPT2)
ALL = (LLAMA, GPT2, T5)
CROWD = ("clients", "beginnings", "repeats")  # scenarios of many callers and repeating text


@dataclass(frozen=True)
class Contender:
    """One engine running one artifact with one set of options."""

    label: str
    bits: str  # rows are compared with rows of the same: "FP32", "16 bits", "8 bits", "4 bits"
    engine: str  # the adapter's module in engines/
    artifact: str  # what it runs, as harness/artifacts.py makes it: "<maker>/<precision>"
    options: dict = field(default_factory=dict)
    families: tuple[str, ...] = DECODERS
    logits_of: str = ""  # the contender that gives its quality, if it shows no logits itself
    environment: dict = field(default_factory=dict)
    decode_only: bool = False  # shapes that change make it compile again
    crowd: tuple[str, ...] = ()  # its scenarios among those of many callers and repeating text

    @property
    def ours(self) -> bool:
        return self.engine == "mm_orch"


def _transformers(dtype: str, short: str, bits: str) -> list[Contender]:
    options = {"dtype": dtype}
    return [
        Contender(f"transformers {short}", bits, "transformers", "source", options, ALL),
        Contender(
            f"transformers compiled {short}", bits, "transformers", "source",
            options | {"compile": True}, logits_of=f"transformers {short}", decode_only=True,
        ),
    ]  # fmt: skip


def _pytorch(short: str, bits: str, precision: dict) -> Contender:
    options = {"backend": "pytorch", "settings": {"num_threads": THREADS} | precision}
    return Contender(f"mm_orch PyTorch {short}", bits, "mm_orch", "source", options, ALL)


def _openvino(precision: str, bits: str) -> list[Contender]:
    """As exported, and with the settings that tune_model finds for this machine."""
    options, label = {"backend": "openvino", "settings": {}}, f"mm_orch OpenVINO {precision}"
    crowd = CROWD if precision == "INT8" else ()
    return [
        Contender(label, bits, "mm_orch", f"ours/{precision}", options, ALL, crowd=crowd),
        Contender(
            f"{label} tuned", bits, "mm_orch", f"tuned/{precision}", options, ALL, crowd=crowd
        ),
    ]


def _plain_loop() -> Contender:
    return Contender(PLAIN_LOOP, "8 bits", "openvino_loop", "ours/INT8")


def _gguf(kind: str, bits: str) -> list[Contender]:
    """llama.cpp and PyTorch on one file, both multiplying bytes."""
    settings = {"num_threads": THREADS, "inference_precision": "int8"}
    ours = {"backend": "pytorch", "settings": settings}
    crowd = CROWD if kind == "Q8_0" else ()
    return [
        Contender(f"mm_orch PyTorch {kind}", bits, "mm_orch", f"gguf/{kind}", ours, crowd=crowd),
        _llama_cpp(kind, bits),
    ]


def _openvino_peers(short: str, bits: str, weights: str, ov_config: dict) -> list[Contender]:
    """The settings are the engines' defaults, except where f32 has to be asked for."""
    options, artifact = {"ov_config": ov_config}, f"optimum/{weights}"
    optimum = f"optimum-intel {short}"
    return [
        Contender(optimum, bits, "optimum_intel", artifact, options, ALL),
        Contender(
            f"openvino-genai {short}", bits, "openvino_genai", artifact, options, logits_of=optimum
        ),
    ]


def _genai_crowd() -> list[Contender]:
    """Its continuous batching, as a server uses it, and its prompt lookup."""
    return [
        Contender(
            f"openvino-genai {what} INT8", "8 bits", "openvino_genai", "optimum/int8",
            {"ov_config": {}} | options, logits_of="optimum-intel INT8", crowd=crowd,
        )
        for what, options, crowd in (
            ("batching", {"batching": {"enable_prefix_caching": True}}, ("beginnings",)),
            ("lookup", {"lookup": True}, ("repeats",)),
        )
    ]  # fmt: skip


def _llama_cpp(kind: str, bits: str) -> Contender:
    options = {"threads": THREADS, "context": 4096}
    return Contender(f"llama.cpp {kind}", bits, "llama_cpp", f"gguf/{kind}", options)


def _ctranslate2(short: str, bits: str, weights: str, compute_type: str) -> Contender:
    options = {"compute_type": compute_type, "threads": THREADS}
    # In FP32 its oneDNN decodes at twice the speed of its default, MKL; in INT8 MKL is the faster.
    environment = {"CT2_USE_MKL": "0"} if short == "FP32" else {}
    return Contender(
        f"CTranslate2 {short}", bits, "ctranslate2", f"ctranslate2/{weights}", options, ALL,
        environment=environment,
    )  # fmt: skip


CONTENDERS = [
    *_transformers("float32", "FP32", "FP32"),
    _pytorch("FP32", "FP32", {}),
    *_openvino("FP32", "FP32"),
    *_openvino_peers("FP32", "FP32", "fp32", {"INFERENCE_PRECISION_HINT": "f32"}),
    _llama_cpp("F32", "FP32"),
    _ctranslate2("FP32", "FP32", "float32", "float32"),
    *_transformers("bfloat16", "BF16", "16 bits"),
    _pytorch("BF16", "16 bits", {"inference_precision": "bf16"}),
    *_openvino("FP16", "16 bits"),
    *_openvino_peers("FP16", "16 bits", "fp16", {}),
    _llama_cpp("F16", "16 bits"),
    _ctranslate2("BF16", "16 bits", "bfloat16", "bfloat16"),
    *_openvino("INT8", "8 bits"),
    _plain_loop(),
    *_openvino_peers("INT8", "8 bits", "int8", {}),
    *_genai_crowd(),
    *_gguf("Q8_0", "8 bits"),
    _ctranslate2("INT8", "8 bits", "int8", "int8_float32"),
    *_openvino("INT4", "4 bits"),
    *_openvino_peers("INT4", "4 bits", "int4", {}),
    *_gguf("Q4_0", "4 bits"),
    *_gguf("Q4_1", "4 bits"),
]
