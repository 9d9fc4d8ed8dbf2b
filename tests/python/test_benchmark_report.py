"""The benchmark's arithmetic: rows, ratios, targets. And that the documents show its figures."""

import re

import document
import pytest
from harness import report, targets
from harness.models import MODELS
from harness.noise import instructions_of_a_round, judge
from harness.summary import ratio, spread, summarise_contender, summarise_model
from harness.visits import CLIENT_TOKENS, CLIENTS, REPEATED

SMOLLM2 = MODELS["smollm2"]


def visit(contender: str, number: int, decode_s: float, **more) -> dict:
    """A visit whose generations of 50 tokens take 0.1 s and then decode_s."""
    run = [0.1 + decode_s, 0.1]
    return {"contender": contender, "round": number, "decode": [run, run, run], **more}


def test_a_row_is_the_median_of_the_rounds_and_each_round_the_median_of_its_runs():
    runs = [[[1.1, 0.1], [9.9, 0.1], [0.8, 0.1]], [[0.6, 0.1]] * 3, [[2.1, 0.1]] * 3]
    row = summarise_contender([{"decode": decode} for decode in runs], SMOLLM2)
    assert row["decode"]["rounds"] == pytest.approx([49 / 1.0, 49 / 0.5, 49 / 2.0])
    assert row["decode"]["median"] == pytest.approx(49)
    assert (row["decode"]["min"], row["decode"]["max"]) == pytest.approx((24.5, 98))
    assert row["whole"]["median"] == pytest.approx(50 / 1.1)


def test_a_ratio_is_taken_round_by_round():
    # The machine halves its speed in the second round: the ratio does not see it.
    assert ratio(spread([20.0, 10.0, 22.0]), spread([10.0, 5.0, 11.0]))["rounds"] == [2, 2, 2]


def test_prefill_and_batches_count_all_tokens():
    figures = {"prefill": {"128": [2.0, 1.0]}, "batch": {"16": 4.0}}
    row = summarise_contender([figures], SMOLLM2)
    assert row["prefill"]["128"]["median"] == 128
    assert row["batch"]["16"]["median"] == 16 * SMOLLM2.batch_new_tokens / 4


def test_a_limit_is_what_the_memory_reads_over_the_bytes_of_the_weights():
    visits = [visit("transformers FP32", 0, 1.0)]
    summary = summarise_model(visits, SMOLLM2, {"parameters_read": 10**8}, bandwidth=2e10)
    assert summary["limit_tokens_per_s"] == {
        "FP32": 50, "16 bits": 100, "8 bits": 200, "4 bits": 400,
    }  # fmt: skip
    assert summary["rows"][0]["share_of_limit"] == pytest.approx(49 / 50)


def test_an_engine_that_fails_is_named_with_its_reason():
    visits = [
        visit("transformers FP32", 0, 1.0),
        {"contender": "llama.cpp F32", "round": 0, "error": "ImportError: no llama_cpp"},
    ]
    summary = summarise_model(visits, SMOLLM2, {"parameters_read": 1}, bandwidth=1)
    assert summary["absent"] == {"llama.cpp F32": "ImportError: no llama_cpp"}
    assert [row["contender"] for row in summary["rows"]] == ["transformers FP32"]


def report_of(*rows: tuple[str, float, float]) -> dict:
    """Of SmolLM2 in 8 bits: (contender, seconds of decoding, KL)."""
    visits = [
        visit(name, 0, seconds, quality={"mean_kl": kl, "top1": 0.9}) for name, seconds, kl in rows
    ]
    summary = summarise_model(visits, SMOLLM2, {"parameters_read": 10**8}, bandwidth=2e10)
    machine = {"cpu": "a CPU", "cores": 2}
    return {
        "models": {"smollm2": summary | {"exports": []}}, "machine": machine, "rounds": 1,
        "read_bandwidth_gb_per_s": 20.0,
    }  # fmt: skip


def decode_target(result: dict) -> dict:
    found = targets.evaluate(result)
    return next(t for t in found if t["what"] == "decode in 8 bits vs the best peer, SmolLM2")


def test_a_target_compares_with_the_fastest_peer():
    result = report_of(
        ("mm_orch OpenVINO INT8", 1.0, 0.004),
        ("openvino-genai INT8", 1.5, 0.004),
        ("llama.cpp Q8_0", 1.2, 0.005),
    )
    found = decode_target(result)
    assert found["found"] == pytest.approx(1.2)
    assert found["met"] is True
    assert found["note"] == "mm_orch OpenVINO INT8 / llama.cpp Q8_0"


@pytest.mark.parametrize(
    ("ours", "theirs"), [(0.006, 0.005), (0.02, 0.05)], ids=["worse than peer", "beyond our bound"]
)
def test_a_faster_row_that_is_less_true_does_not_count(ours, theirs):
    result = report_of(("mm_orch OpenVINO INT8", 1.0, ours), ("llama.cpp Q8_0", 2.0, theirs))
    found = decode_target(result)
    assert found["found"] == pytest.approx(2)
    assert found["met"] is False
    assert "KL" in found["note"]


def test_the_plain_loop_is_no_peer():
    result = report_of(
        ("mm_orch OpenVINO INT8", 1.0, 0.004),
        ("plain loop INT8", 0.5, 0.004),
        ("llama.cpp Q8_0", 1.2, 0.005),
    )
    assert decode_target(result)["note"] == "mm_orch OpenVINO INT8 / llama.cpp Q8_0"
    lone = next(t for t in targets.evaluate(result) if t["what"].startswith("a lone request"))
    assert lone["found"] == pytest.approx(0.5)
    assert lone["met"] is False


def test_many_callers_are_compared_with_one_after_another():
    figures = [
        {
            "clients": {"in_turn": 6.0, "together": 2.0},
            "clients_as_called": {"in_turn": 4.0, "together": 2.0},
            "beginnings": {"apart": 3.0, "shared": 0.5},
            "repeats": [[1.5, 0.5], [9.0, 0.5], [1.5, 0.5]],
            "repeats_plainly": [[2.5, 0.5], [2.5, 0.5], [9.0, 0.5]],
            "decode": [[1.1, 0.1]],
        }
    ]
    row = summarise_contender(figures, SMOLLM2)
    assert row["clients"]["median"] == CLIENTS * CLIENT_TOKENS / 2
    assert row["clients_gain"]["median"] == 3
    assert row["clients_as_called_gain"]["median"] == 2
    assert row["shared_gain"]["median"] == 6
    assert row["repeats"]["median"] == REPEATED - 1
    assert row["repeats_gain"]["median"] == 2
    visits = [{"contender": "mm_orch OpenVINO INT8", "round": 0} | figures[0]]
    visits += [visit("openvino-genai batching INT8", 0, 1.0, batch={"16": 2.0})]
    visits[0]["batch"] = {"16": 1.0}
    summary = summarise_model(visits, SMOLLM2, {"parameters_read": 10**8}, bandwidth=2e10)
    result = {"models": {"smollm2": summary | {"exports": []}}}
    found = {t["what"]: (t["found"], t["met"]) for t in targets.evaluate(result)}
    assert found["4 client threads vs one after another, OpenVINO INT8"] == (3, True)
    assert found["4 client threads vs one after another, PyTorch Q8_0"] == (None, None)
    shared = "first tokens of 16 with a shared beginning of 512 vs without, OpenVINO INT8"
    assert found[shared] == (6, True)
    assert found["prompt lookup on text that repeats vs plain decode, OpenVINO INT8"] == (2, True)
    assert found["16 at once in 8 bits vs openvino-genai, SmolLM2"] == (2, True)
    assert found["16 at once in 8 bits vs llama.cpp, SmolLM2"] == (None, None)
    assert "4 callers" in "\n".join(report.crowd_table(summary))


def test_what_was_not_measured_is_neither_met_nor_missed():
    found = targets.evaluate(report_of(("mm_orch OpenVINO INT8", 1.0, 0.0)))
    assert {target["met"] for target in found} == {None}


def test_the_text_names_rows_targets_and_who_is_absent():
    result = report_of(("mm_orch OpenVINO INT8", 1.0, 0.004), ("llama.cpp Q8_0", 2.0, 0.005))
    result["models"]["smollm2"]["absent"] = {"CTranslate2 INT8": "not installed"}
    result["targets"] = targets.evaluate(result)
    text = report.text(result)
    assert re.search(r"mm_orch OpenVINO INT8\s+49\.0\*", text)
    assert "absent: CTranslate2 INT8: not installed" in text
    assert re.search(r"decode in 8 bits vs the best peer, SmolLM2\s+1\.15\s+2\s+met", text)


def test_a_slowdown_counts_only_beyond_what_a_commit_differs_from_itself():
    old, again = [1.00, 1.02, 0.99], [1.01, 1.00, 1.00]
    assert not judge(old, [1.02, 1.02, 1.01], again).slower
    slow = judge(old, [1.08, 1.09, 1.07], again)
    assert slow.slower
    assert slow.noise == pytest.approx(0.02)
    assert slow.change == pytest.approx(0.0754, abs=1e-3)
    assert not judge(old, [0.5, 0.5, 0.5], again).slower


def test_instructions_of_a_round_leave_the_start_out():
    assert instructions_of_a_round(5_000 + 20 * 7, 5_000 + 120 * 7, (20, 120)) == 7


def test_the_documents_show_the_committed_figures():
    for path, name, tables in document.PLACES:
        text = path.read_text()
        assert document.with_tables(text, name, tables) == text, (
            f"{path.name} does not show {name}: run benchmarks/document.py"
        )
