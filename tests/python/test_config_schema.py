"""The published schema and the library's parser accept and refuse the same configurations."""

import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from conftest import REPOSITORY
from mm_orch import ModelManager, exceptions

SCHEMA = json.loads((REPOSITORY / "config" / "backend.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
UNKNOWN = "an_unknown_key"


def published() -> list[tuple[str, str]]:
    """Every configuration that people read here, with the name of its place."""
    found = [("config/backend.yaml", (REPOSITORY / "config" / "backend.yaml").read_text())]
    for document in [*sorted((REPOSITORY / "docs").glob("*.md")), REPOSITORY / "README.md"]:
        blocks = re.findall(r"```yaml\n(.*?)```", document.read_text(), re.S)
        found += [(f"{document.name} {number}", text) for number, text in enumerate(blocks)]
    return found


def is_accepted(config: object, tmp_path: Path) -> bool:
    """By the parser, as YAML text; a mapping as a dict too."""
    file = tmp_path / "backend.yaml"
    file.write_text(yaml.safe_dump(config))
    sources: list[Any] = [file, config] if isinstance(config, dict) else [file]
    verdicts = set()
    for source in sources:
        try:
            ModelManager(backend_config=source)
            verdicts.add(True)
        except exceptions.ConfigurationError:
            verdicts.add(False)
    assert len(verdicts) == 1
    return verdicts.pop()


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_comes_with_the_package():
    assert json.loads((resources.files("mm_orch") / "backend.schema.json").read_text()) == SCHEMA


@pytest.mark.parametrize(("place", "text"), published(), ids=[place for place, _ in published()])
def test_published_configurations_are_valid(place, text, tmp_path):
    file = tmp_path / "backend.yaml"
    file.write_text(text)
    ModelManager(backend_config=file)
    VALIDATOR.validate(yaml.safe_load(text))


GOOD = [
    None,
    {},
    {"backend": None},
    {"openvino": None, "pytorch": None, "model_overrides": None, "statistics": None},
    {"openvino": {"circuit_breaker": None, "properties": None}},
    {"default": "openvino", "model_overrides": {"a/b": "pytorch"}},
    {"backend": {"default": "pytorch"}, "model_overrides": {"gpt2": "openvino"}},
    {"openvino": {"device": "cuda:0", "num_threads": 4096, "inference_precision": "bf16"}},
    {"openvino": {"device": "gpu.1", "cache_dir": "x", "auto_export": True, "num_streams": 0}},
    {"openvino": {"keep_compiled": False}},
    {"openvino": {"properties": {"A": "b", "C": 1, "D": 1.5, "E": True}}},
    {"openvino": {"circuit_breaker": {"failures": 0, "retry_after_seconds": 86400}}},
    {
        "openvino": {
            "enable_fallback": "${MM_ORCH_UNSET:-true}",
            "num_threads": "${MM_ORCH_UNSET:-1}",
        }
    },
    {"statistics": {"keep_prompts": False, "log_interval_seconds": 60}},
]

BAD = [
    "text",
    ["backend"],
    7,
    {"backend": "openvino"},
    {"backend": ["openvino"]},
    {"backend": {}, "openvino": {}},
    {"backend": {"model_overrides": {}}},
    {"backend": {"statistics": {}}},
    {"backend": {"backend": {}}},
    {"default": "onnx"},
    {"default": "OpenVINO"},
    {"default": None},
    {"default": ["openvino"]},
    {"openvino": []},
    {"openvino": {"device": "TPU"}},
    {"openvino": {"device": ""}},
    {"openvino": {"device": "GPU.1234"}},
    {"openvino": {"device": 0}},
    {"openvino": {"device": None}},
    {"openvino": {"device": "CPU "}},
    {"openvino": {"enable_fallback": "maybe"}},
    {"openvino": {"enable_fallback": "true "}},
    {"openvino": {"enable_fallback": 1}},
    {"openvino": {"cache_dir": ""}},
    {"openvino": {"cache_dir": None}},
    {"openvino": {"cache_dir": {"a": 1}}},
    {"openvino": {"auto_export": 0}},
    {"openvino": {"keep_compiled": "no"}},
    {"openvino": {"num_threads": -1}},
    {"openvino": {"num_threads": 4097}},
    {"openvino": {"num_threads": 1.5}},
    {"openvino": {"num_threads": "two"}},
    {"openvino": {"num_threads": True}},
    {"openvino": {"num_threads": 10**30}},
    {"openvino": {"num_streams": [1]}},
    {"openvino": {"inference_precision": "fp32"}},
    {"openvino": {"circuit_breaker": 3}},
    {"openvino": {"circuit_breaker": {"failures": -1}}},
    {"openvino": {"circuit_breaker": {"failures": 1001}}},
    {"openvino": {"circuit_breaker": {"retry_after_seconds": 0}}},
    {"openvino": {"properties": ["A"]}},
    {"openvino": {"properties": {"A": {"B": 1}}}},
    {"openvino": {"properties": {"A": None}}},
    {"pytorch": {"cache_dir": "x"}},
    {"pytorch": {"inference_precision": "f16"}},
    {"model_overrides": "openvino"},
    {"model_overrides": {"gpt2": "tensorflow"}},
    {"model_overrides": {"gpt2": None}},
    {"model_overrides": {"gpt2": {"backend": "openvino"}}},
    {"statistics": {"keep_prompts": "yes please"}},
    {"statistics": {"log_interval_seconds": -1}},
    {"statistics": {"log_interval_seconds": 86401}},
    {"statistics": True},
]


@pytest.mark.parametrize("config", GOOD, ids=str)
def test_good_ones_are_accepted_by_both(config, tmp_path):
    assert is_accepted(config, tmp_path)
    assert VALIDATOR.is_valid(config)


@pytest.mark.parametrize("config", BAD, ids=str)
def test_bad_ones_are_refused_by_both(config, tmp_path):
    assert not is_accepted(config, tmp_path)
    assert not VALIDATOR.is_valid(config)


def sections(schema: dict, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], set[str]]:
    """The closed mappings below a schema: path to keys."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    if schema.get("additionalProperties") is not False:
        return {}
    found = {path: set(schema["properties"])}
    for key, inner in schema["properties"].items():
        found |= sections(inner, (*path, key))
    return found


@pytest.mark.parametrize("form", ["then", "else"])
def test_the_keys_of_the_schema_are_those_of_the_parser(form):
    found = sections(SCHEMA[form])
    assert len(found) >= 4
    for path, keys in found.items():
        config: dict = {"backend": {}} if form == "then" else {}
        section = config
        for key in path:
            section[key] = {}
            section = section[key]
        section[UNKNOWN] = 1
        with pytest.raises(exceptions.ConfigurationError, match=UNKNOWN) as caught:
            ModelManager(backend_config=config)
        allowed = str(caught.value).split("allowed are ")[1]
        assert set(allowed.split(", ")) == keys, path


def cyclic() -> dict:
    config: dict = {"openvino": {}}
    config["openvino"]["properties"] = config
    return config


def deep() -> dict:
    config: dict = {}
    for _ in range(100_000):
        config = {"openvino": config}
    return config


@pytest.mark.parametrize(
    "config",
    [
        cyclic(),
        deep(),
        {"model_overrides": {f"model-{i}": "pytorch" for i in range(100_000)}},
        {"openvino": {"properties": {"A": float("nan")}}},
        {"openvino": {("a", "b"): 1}},
        {"openvino": {"cache_dir": b"bytes"}},
    ],
    ids=["cyclic", "deep", "enormous", "nan", "tuple as a key", "bytes"],
)
def test_dicts_that_no_file_could_hold_are_refused(config):
    with pytest.raises(exceptions.ConfigurationError):
        ModelManager(backend_config=config)


@pytest.mark.parametrize(
    "data",
    [
        b"backend: \xff\xfe\n",
        b"\x00\x01\x02",
        b"backend:\n  default: x" + "é".encode() * 200 + b"\n",
        b"a: " + b"{b: " * 50_000,
        b"[" * 100_000,
        b"- " * 100_000,
        b"? " * 100_000,
        b"x: &a [*a, *a]\n",
        b"a: &a {b: *a}\n<<: *a\n",
        b"".join(
            b"a%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 99)
        ),
        b"!!python/object/apply:os.system ['true']\n",
        b"%YAML 9.9\n---\nbackend: {}\nx: 1\n",
        b"a: b: c\n",
        b"backend: {}\n...\n---\nbackend: {}\n",
    ],
    ids=range(14),
)
def test_hostile_files_are_refused(data, tmp_path):
    file = tmp_path / "backend.yaml"
    file.write_bytes(data)
    with pytest.raises(exceptions.ConfigurationError, match="backend.yaml"):
        ModelManager(backend_config=file)
