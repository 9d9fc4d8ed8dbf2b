"""An exported IR is an ordinary one: the plain `openvino` package compiles and runs it."""

from pathlib import Path

import numpy as np
import pytest
from ir_tool import TOOL, export_ir

ov = pytest.importorskip("openvino")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

if not TOOL.exists():
    pytest.skip(f"{TOOL} is not built", allow_module_level=True)

TOKENS = list(range(3, 90, 5))
# Largest error relative to the logits' range, from the rounding of weights (and, in bf16 on CPUs
# that have it, of activations); FP32 computed in f32 has neither.
BOUND = {"FP32": 1e-5, "FP16": 2e-2, "INT8": 4e-2, "INT4": 0.2}


def make_model(name: str) -> "torch.nn.Module":
    if name == "llama":
        model = transformers.LlamaForCausalLM(
            transformers.LlamaConfig(
                vocab_size=96,
                hidden_size=64,
                intermediate_size=128,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=128,
                tie_word_embeddings=True,
            )
        )
    else:
        config = transformers.GPT2Config(
            vocab_size=96, n_embd=64, n_layer=2, n_head=4, n_positions=128
        )
        model = transformers.GPT2LMHeadModel(config)
    torch.manual_seed(3)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=0.05, std=0.15)
    return model.eval()


def run_ir(xml: Path, precision: str) -> np.ndarray:
    """Logits [T, V]: a chunk of the tokens, then the rest one by one."""
    config = {"INFERENCE_PRECISION_HINT": "f32"} if precision == "FP32" else {}
    request = ov.Core().compile_model(xml, "CPU", config).create_infer_request()
    rows, past = [], 0
    for chunk in [TOKENS[:6]] + [[token] for token in TOKENS[6:]]:
        total = past + len(chunk)
        inputs = {
            "input_ids": np.array([chunk], np.int64),
            "attention_mask": np.ones((1, total), np.int64),
            "position_ids": np.arange(past, total, dtype=np.int64)[None],
            "beam_idx": np.zeros(1, np.int32),
        }
        rows.append(np.array(request.infer(inputs)["logits"])[0])
        past = total
    return np.concatenate(rows)


@pytest.mark.parametrize("precision", ["FP32", "FP16", "INT8", "INT4"])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_plain_openvino_runs_the_ir(name: str, precision: str, tmp_path: Path) -> None:
    model = make_model(name)
    model.save_pretrained(tmp_path / name)
    with torch.no_grad():
        expected = model(torch.tensor([TOKENS])).logits[0].numpy()
    xml = export_ir(tmp_path / name, tmp_path / "model", precision)
    actual = run_ir(xml, precision)
    error = np.abs(actual - expected).max() / np.ptp(expected)
    print(f"{name} {precision}: {error:.2e}")
    assert error <= BOUND[precision]


def run_t5(folder: Path, source: list[int], tokens: list[int]) -> np.ndarray:
    """Logits [T, V] of the decoder's tokens one by one, as other tools run the two IRs."""
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    core = ov.Core()
    encoder = core.compile_model(folder / "t5_encoder.xml", "CPU", config)
    mask = np.ones((1, len(source)), np.int64)
    hidden = encoder({"input_ids": np.array([source]), "attention_mask": mask})
    decoder = core.compile_model(folder / "t5_decoder.xml", "CPU", config).create_infer_request()
    rows = []
    for token in tokens:
        inputs = {
            "input_ids": np.array([[token]]),
            "encoder_hidden_states": np.array(hidden["last_hidden_state"]),
            "encoder_attention_mask": mask,
            "beam_idx": np.zeros(1, np.int32),
        }
        rows.append(np.array(decoder.infer(inputs)["logits"])[0])
    return np.concatenate(rows)


def test_plain_openvino_runs_encoder_and_decoder(tmp_path: Path) -> None:
    config = transformers.T5Config(
        vocab_size=96, d_model=64, d_kv=16, d_ff=96, num_layers=2, num_heads=4,
        decoder_start_token_id=0,
    )  # fmt: skip
    torch.manual_seed(3)
    model = transformers.T5ForConditionalGeneration(config).eval()
    model.save_pretrained(tmp_path / "t5")
    export_ir(tmp_path / "t5", tmp_path / "t5", "FP32")
    source, tokens = TOKENS, [0, *TOKENS[::-1]]
    with torch.no_grad():
        expected = model(
            input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([tokens])
        ).logits[0]
    error = np.abs(run_t5(tmp_path, source, tokens) - expected.numpy()).max()
    assert error / np.ptp(expected.numpy()) <= BOUND["FP32"]


def test_plain_openvino_runs_a_text_classifier(tmp_path: Path) -> None:
    config = transformers.BertConfig(
        vocab_size=96, hidden_size=48, num_hidden_layers=2, num_attention_heads=3,
        intermediate_size=64, max_position_embeddings=32, num_labels=3,
    )  # fmt: skip
    torch.manual_seed(3)
    model = transformers.BertForSequenceClassification(config).eval()
    model.save_pretrained(tmp_path / "bert")
    xml = export_ir(tmp_path / "bert", tmp_path / "model", "FP32")
    compiled = ov.Core().compile_model(xml, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    inputs = {
        "input_ids": np.array([TOKENS, TOKENS[::-1]]),
        "attention_mask": np.array([[1] * len(TOKENS), [1] * 7 + [0] * (len(TOKENS) - 7)]),
        "token_type_ids": np.array([[0] * 5 + [1] * (len(TOKENS) - 5)] * 2),
    }
    with torch.no_grad():
        outputs = model(
            **{name: torch.tensor(value) for name, value in inputs.items()},
            output_hidden_states=True,
        )
    result = compiled(inputs)
    assert np.abs(result["logits"] - outputs.logits.numpy()).max() < 1e-5
    hidden = outputs.hidden_states[-1].numpy()[0]
    assert np.abs(result["last_hidden_state"][0] - hidden).max() < 1e-4


def test_interface_is_optimums(tmp_path: Path) -> None:
    make_model("llama").save_pretrained(tmp_path / "llama")
    ir = ov.Core().read_model(export_ir(tmp_path / "llama", tmp_path / "model", "FP32"))
    inputs = {port.any_name: port.element_type.get_type_name() for port in ir.inputs}
    assert inputs == {
        "input_ids": "i64",
        "attention_mask": "i64",
        "position_ids": "i64",
        "beam_idx": "i32",
    }
    assert ir.output("logits").element_type == ov.Type.f32
    assert ir.output("logits").partial_shape.rank.get_length() == 3
    states = {sink.get_variable_id() for sink in ir.get_sinks()}
    assert "past_key_values.1.keypresent.1.key" in states
    assert len(states) == 4
