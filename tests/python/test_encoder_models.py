"""T5, BERT and MiniLM on both backends against transformers."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from mm_orch import ModelManager
from mm_orch.exceptions import InvalidInputError
from reference_models import minilm_folder, write_word_tokenizer
from safetensors.torch import load_file, save_file
from spiece_training import train_t5
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
    T5Tokenizer,
)

BACKENDS = ["pytorch", "openvino"]
TIE_MARGIN = 1e-4  # of the logits' range
TEXTS = [
    "hello world",
    "A longer sentence about ships, wind and the open sea, which goes on for a while.",
    "x",
    "Numbers such as 12345 and names such as Łódź.",
]


def load(backend: str, model: str, cache: Path) -> ModelManager:
    """The model on exactly that backend, exported where that is needed."""
    openvino = {"enable_fallback": False, "auto_export": True, "cache_dir": str(cache)}
    manager = ModelManager(backend=backend, backend_config={"openvino": openvino})
    manager.load_model(model)
    assert manager.get_model_info(model)["backend"] == backend
    return manager


def randomize(model: torch.nn.Module, seed: int) -> None:
    """Norms, biases and position tables too: what is one or zero hides what is forgotten."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm" in name.lower() and name.endswith("weight"):
                parameter.copy_(1 + 0.3 * noise)
            elif "relative" in name or "embed" in name or "shared" in name:
                parameter.copy_(noise)
            elif parameter.ndim == 2:
                parameter.copy_(noise / parameter.shape[-1] ** 0.5)
            else:
                parameter.copy_(0.2 * noise)


T5 = {
    "relu": T5Config(
        vocab_size=300, d_model=64, d_kv=24, d_ff=96, num_layers=3, num_heads=4,
        decoder_start_token_id=0,
    ),
    "gated_untied": T5Config(
        vocab_size=300, d_model=64, d_kv=16, d_ff=96, num_layers=2, num_heads=4,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False, decoder_start_token_id=0,
        relative_attention_num_buckets=16, relative_attention_max_distance=50,
    ),
    # A decoder deeper than the encoder.
    "uneven": T5Config(
        vocab_size=300, d_model=48, d_kv=16, d_ff=64, num_layers=1, num_decoder_layers=4,
        num_heads=3, decoder_start_token_id=7,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def t5(tmp_path_factory):
    """t5(name): a seeded random T5, and transformers' model of it."""
    root = tmp_path_factory.mktemp("t5")
    made = {}

    def get(name: str):
        if name not in made:
            model = T5ForConditionalGeneration(T5[name]).eval()
            randomize(model, seed=list(T5).index(name))
            model.save_pretrained(root / name)
            write_word_tokenizer(root / name, T5[name].vocab_size)
            made[name] = str(root / name), model
        return made[name]

    return get


def check_greedy(reference, source: list[int], ours: list[int]) -> None:
    """Each token is the reference's own choice after the tokens before it, ties aside."""
    start = reference.config.decoder_start_token_id
    with torch.no_grad():
        # Without cache: transformers 5.23 makes too few layers of it for an uneven T5.
        logits = reference(
            input_ids=torch.tensor([source]),
            decoder_input_ids=torch.tensor([[start, *ours[:-1]]]),
            use_cache=False,
        ).logits[0]
    spread = logits.max(dim=-1).values - logits.min(dim=-1).values
    margin = logits.max(dim=-1).values - logits[torch.arange(len(ours)), torch.tensor(ours)]
    assert (margin / spread).max() < TIE_MARGIN


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", T5)
def test_t5_greedy_equals_transformers(name, backend, t5, tmp_path):
    model, reference = t5(name)
    manager = load(backend, model, tmp_path)
    draw = np.random.default_rng(3)
    # 200 source tokens and 150 new ones lie beyond every bucket's distance.
    for length, new_tokens in ((1, 20), (9, 40), (200, 150)):
        source = draw.integers(2, 300, length).tolist()
        result = manager.generate_tokens(
            model, source, max_new_tokens=new_tokens, eos_token_id=[], do_sample=False
        )
        assert len(result.new_tokens) == new_tokens
        assert list(result.prompt_tokens) == source
        check_greedy(reference, source, list(result.new_tokens))


@pytest.mark.parametrize("backend", BACKENDS)
def test_t5_batch_of_unequal_sources_equals_single_runs(backend, t5, tmp_path):
    model, reference = t5("relu")
    manager = load(backend, model, tmp_path)
    draw = np.random.default_rng(4)
    sources = [draw.integers(2, 300, n).tolist() for n in (3, 50, 1, 17)]
    results = manager.generate_tokens(model, sources, max_new_tokens=30, eos_token_id=[])
    for source, result in zip(sources, results, strict=True):
        check_greedy(reference, source, list(result.new_tokens))


@pytest.mark.parametrize("backend", BACKENDS)
def test_t5_requests_at_once_share_steps_and_keep_their_sources(backend, t5, tmp_path):
    model, reference = t5("gated_untied")
    manager = load(backend, model, tmp_path)
    draw = np.random.default_rng(5)
    sources = [draw.integers(2, 300, n).tolist() for n in (5, 30, 12, 5, 60, 2, 21, 9)]

    def generate(source):
        return manager.generate_tokens(model, source, max_new_tokens=200, eos_token_id=[])

    with ThreadPoolExecutor(len(sources)) as pool:
        results = list(pool.map(generate, sources))
    for source, result in zip(sources, results, strict=True):
        check_greedy(reference, source, list(result.new_tokens))
    stats = manager.get_scheduling_stats(model)
    assert stats["step_sequences"] > stats["steps"]  # some were shared


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("num_beams", [2, 4])
def test_t5_beam_search_equals_transformers(num_beams, backend, t5, tmp_path):
    model, reference = t5("relu")
    manager = load(backend, model, tmp_path)
    draw = np.random.default_rng(6)
    sources = [draw.integers(2, 300, n).tolist() for n in (12, 40)]
    ours = manager.generate_tokens(
        model, sources, max_new_tokens=25, num_beams=num_beams, eos_token_id=1
    )
    for source, result in zip(sources, ours, strict=True):
        expected = reference.generate(
            torch.tensor([source]), max_new_tokens=25, num_beams=num_beams, do_sample=False
        )[0, 1:]
        assert list(result.new_tokens) == expected.tolist()


@pytest.mark.parametrize("backend", BACKENDS)
def test_t5_text_from_spiece_model_equals_transformers(backend, tmp_path):
    """The pieces of a stream, too: the first one's leading blank belongs to no text."""
    folder = train_t5(tmp_path)
    tokenizer = T5Tokenizer.from_pretrained(folder)
    config = T5Config(
        vocab_size=len(tokenizer), d_model=64, d_kv=16, d_ff=96, num_layers=2, num_heads=4,
        decoder_start_token_id=0,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config).eval()
    randomize(model, seed=8)
    model.save_pretrained(folder)
    manager = load(backend, str(folder), tmp_path / "ir")
    source = "translate English to German: The house is wonderful."
    tokens = manager.tokenize(folder, source)
    assert tokens == tokenizer(source)["input_ids"]
    texts = set()
    for seed in range(5):
        pieces = []
        result = manager.generate_tokens(
            folder, tokens, max_new_tokens=12, eos_token_id=[], seed=seed, temperature=3.0,
            stream=pieces.append,
        )  # fmt: skip
        expected = tokenizer.decode(list(result.new_tokens), skip_special_tokens=True)
        assert result.text == expected == "".join(pieces)
        texts.add(expected)
    assert len(texts) == 5


def test_t5_gives_the_new_text_alone(t5, tmp_path):
    model, _ = t5("relu")
    manager = load("pytorch", model, tmp_path)
    source = "word5 word6 word7"
    alone = manager.generate(model, source, max_new_tokens=5, eos_token_id=[])
    assert not alone.startswith(source)
    assert manager.generate(model, [source], max_new_tokens=5, eos_token_id=[]) == [alone]
    pieces = []
    manager.generate(model, source, max_new_tokens=5, eos_token_id=[], stream=pieces.append)
    assert "".join(pieces) == alone


def test_t5_has_no_score(t5, tmp_path):
    model, _ = t5("relu")
    manager = load("pytorch", model, tmp_path)
    with pytest.raises(InvalidInputError, match="encoder-decoder"):
        manager.score(model, "word5 word6")


def test_t5_export_writes_encoder_and_decoder(t5, tmp_path):
    model, _ = t5("relu")
    result = ModelManager().export_model(model, output=tmp_path / "relu", precision="INT8")
    files = sorted(path.name for path in (tmp_path / "relu").glob("*.*ml"))
    assert files == ["relu_decoder.xml", "relu_encoder.xml"]
    assert result.bytes == sum(path.stat().st_size for path in (tmp_path / "relu").glob("*.bin"))


def test_t5_exported_alone_generates(t5, tmp_path):
    """The exported folder needs no source; its decoder without its encoder is no model."""
    model, _ = t5("gated_untied")
    folder = tmp_path / "gated_untied"
    ModelManager().export_model(model, output=folder)
    expected = load("pytorch", model, tmp_path / "unused").generate_tokens(
        model, [4, 5, 6], max_new_tokens=12, eos_token_id=[]
    )
    manager = ModelManager(backend="openvino", backend_config={"openvino": {}})
    manager.load_model(folder)
    result = manager.generate_tokens(folder, [4, 5, 6], max_new_tokens=12, eos_token_id=[])
    assert list(result.new_tokens) == list(expected.new_tokens)
    (folder / "gated_untied_encoder.xml").unlink()
    strict = {"openvino": {"enable_fallback": False}}
    with pytest.raises(Exception, match=r"gated_untied_encoder\.xml is missing"):
        ModelManager(backend="openvino", backend_config=strict).load_model(folder)


@pytest.fixture(scope="module")
def minilm() -> str:
    return str(minilm_folder())


@pytest.fixture(scope="module")
def minilm_hidden(minilm):
    """transformers' last hidden states of TEXTS, [T, H] each."""
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    model = AutoModel.from_pretrained(minilm).eval()
    with torch.no_grad():
        return [
            model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0] for text in TEXTS
        ]


@pytest.mark.parametrize("backend", BACKENDS)
def test_minilm_embeddings_equal_transformers(backend, minilm, minilm_hidden, tmp_path):
    manager = load(backend, minilm, tmp_path)
    mean = torch.stack([hidden.mean(dim=0) for hidden in minilm_hidden])
    ours = manager.embed(minilm, TEXTS)
    assert ours.dtype == np.float32 and ours.shape == (len(TEXTS), 384)
    assert np.abs(ours - mean.numpy()).max() < 1e-4
    cls = torch.stack([hidden[0] for hidden in minilm_hidden])
    assert np.abs(manager.embed(minilm, TEXTS, pooling="cls") - cls.numpy()).max() < 1e-4
    # The package's own vectors: sentence-transformers pools by the mean, then normalises.
    normalized = torch.nn.functional.normalize(mean, dim=-1)
    ours = manager.embed(minilm, TEXTS, normalize=True)
    assert np.abs(ours - normalized.numpy()).max() < 1e-5


def test_embed_many_texts_keeps_their_order(minilm, tmp_path):
    """More texts than one group holds, sorted by length inside."""
    manager = load("pytorch", minilm, tmp_path)
    single = np.stack([manager.embed(minilm, text) for text in TEXTS])
    many = manager.embed(minilm, TEXTS * 20)
    assert np.abs(many - np.tile(single, (20, 1))).max() < 1e-5


def test_embed_refuses_what_it_cannot_do(minilm, t5, tmp_path):
    manager = load("pytorch", minilm, tmp_path)
    with pytest.raises(InvalidInputError, match="600 tokens.*512"):
        manager.embed(minilm, "x " * 598)
    assert manager.embed(minilm, "x " * 598, truncate=True).shape == (384,)
    with pytest.raises(InvalidInputError, match="max.*mean.*cls"):
        manager.embed(minilm, "x", pooling="max")
    with pytest.raises(InvalidInputError, match="encoder"):
        manager.generate(minilm, "x")
    with pytest.raises(InvalidInputError, match="no classification head"):
        manager.infer(minilm, "x")
    assert manager.embed(minilm, []).shape == (0, 384)
    model, _ = t5("relu")
    manager.load_model(model)
    with pytest.raises(InvalidInputError, match="use generate"):
        manager.embed(model, "word5")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory, minilm):
    """A seeded random BERT with a classification head and MiniLM's vocabulary."""
    folder = tmp_path_factory.mktemp("bert") / "classifier"
    config = BertConfig(
        vocab_size=30522, hidden_size=48, num_hidden_layers=2, num_attention_heads=3,
        intermediate_size=80, max_position_embeddings=64,
        id2label={0: "bad", 1: "fair", 2: "good"}, label2id={"bad": 0, "fair": 1, "good": 2},
    )  # fmt: skip
    model = BertForSequenceClassification(config).eval()
    randomize(model, seed=9)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (folder / name).write_bytes((Path(minilm) / name).read_bytes())
    return str(folder), model


@pytest.mark.parametrize("backend", BACKENDS)
def test_classification_equals_transformers(backend, classifier, tmp_path):
    model, reference = classifier
    manager = load(backend, model, tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(model)
    pairs = TEXTS[::-1]
    for seconds in (None, pairs):
        with torch.no_grad():
            expected = torch.cat([
                reference(
                    **tokenizer(text, seconds and seconds[i], return_tensors="pt")
                ).logits
                for i, text in enumerate(TEXTS)
            ]).numpy()  # fmt: skip
        ours = manager.infer(model, TEXTS, seconds)
        assert np.abs(ours - expected).max() < 1e-4
    assert manager.get_model_info(model)["labels"] == ["bad", "fair", "good"]
    assert manager.infer(model, TEXTS[0]).shape == (3,)


def test_old_checkpoints_name_gamma_and_beta(classifier, tmp_path):
    """As bert-base-uncased on the hub does."""
    model, _ = classifier
    folder = tmp_path / "old"
    folder.mkdir()
    for path in Path(model).iterdir():
        if path.suffix != ".safetensors":
            (folder / path.name).write_bytes(path.read_bytes())
    tensors = load_file(Path(model) / "model.safetensors")
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in tensors.items()
    }
    assert set(renamed) != set(tensors)
    save_file(renamed, folder / "model.safetensors")
    manager = load("pytorch", str(folder), tmp_path / "unused")
    expected = load("pytorch", model, tmp_path / "unused").infer(model, TEXTS)
    assert np.array_equal(manager.infer(folder, TEXTS), expected)


def test_a_broken_exported_encoder_falls_back_to_pytorch(classifier, tmp_path):
    model, _ = classifier
    expected = load("pytorch", model, tmp_path / "unused").infer(model, TEXTS)
    config = {"openvino": {"cache_dir": str(tmp_path)}}
    manager = ModelManager(backend="openvino", backend_config=config)
    manager.export_model(model)
    weights = tmp_path / "classifier" / "classifier.bin"
    weights.write_bytes(weights.read_bytes()[:1000])
    manager.load_model(model)
    assert np.abs(manager.infer(model, TEXTS) - expected).max() < 1e-6
    assert [event["reason"] for event in manager.get_fallback_events()] == ["model_file_invalid"]


def test_config_that_contradicts_its_labels_is_refused(classifier, tmp_path):
    model, _ = classifier
    folder = tmp_path / "labels"
    folder.mkdir()
    for path in Path(model).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "bad", "2": "good"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(Exception, match="id2label has no name for class 1"):
        ModelManager().load_model(folder)
