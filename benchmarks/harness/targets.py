"""What mm_orch has to reach, and whether it does. Pure functions over the report.

A target against peers takes the fastest peer of the precision, and the fastest of our rows whose
KL against FP32 is no worse than that peer's.
"""

from harness.contenders import BASELINE, PLAIN_LOOP
from harness.summary import ratio

KL_NOISE = 1e-6  # between rows that both compute in f32
IR_PEERS = ("optimum-intel INT8", "openvino-genai INT8")
CROWD_ROWS = ("PyTorch Q8_0", "OpenVINO INT8")
OUR_KL = {"8 bits": 0.012, "4 bits": 0.1}  # at most, on SmolLM2


def is_ours(row: dict) -> bool:
    return row["contender"].startswith("mm_orch")


def is_peer(row: dict) -> bool:
    return not is_ours(row) and row["contender"] != PLAIN_LOOP


def rows_of(report: dict, model: str, bits: str | None = None) -> list[dict]:
    rows = report["models"].get(model, {}).get("rows", [])
    return [row for row in rows if bits is None or row["bits"] == bits]


def row_of(report: dict, model: str, label: str) -> dict | None:
    return next((row for row in rows_of(report, model) if row["contender"] == label), None)


def speed_of(row: dict, figure: tuple[str, ...]) -> dict | None:
    """A spread inside a row: ("decode",) or ("prefill", "512")."""
    for key in figure:
        row = row.get(key) or {}
    return row or None


def target(what: str, least: float, found: float | None, note: str = "", most=False) -> dict:
    """`least` is the most allowed where `most` is set."""
    met = None if found is None else (found <= least if most else found >= least)
    return {"what": what, "least": least, "found": found, "met": met, "note": note}


def against_row(report, what, least, model, figure, ours: str, theirs: str) -> dict:
    first, second = row_of(report, model, ours), row_of(report, model, theirs)
    pair = [row and speed_of(row, figure) for row in (first, second)]
    if not all(pair):
        return target(what, least, None)
    return target(what, least, ratio(*pair)["median"])


def against_peers(report, what, least, model, bits, figure, peers: str = "") -> dict:
    """The fastest peer, of those whose name begins so, against our fastest row that is as true."""
    rows = [row for row in rows_of(report, model, bits) if speed_of(row, figure)]

    def fastest(some: list[dict]) -> dict | None:
        return max(some, key=lambda row: speed_of(row, figure)["median"], default=None)

    theirs = [row for row in rows if is_peer(row) and row["contender"].startswith(peers)]
    ours, peer = [row for row in rows if is_ours(row)], fastest(theirs)
    if not ours or not peer:
        return target(what, least, None)
    bound = peer.get("mean_kl", float("inf")) + KL_NOISE
    if model == "smollm2":
        bound = min(bound, OUR_KL.get(bits, float("inf")))
    true_enough = [row for row in ours if row.get("mean_kl", 0.0) <= bound]
    best = fastest(true_enough or ours)
    found = ratio(speed_of(best, figure), speed_of(peer, figure))["median"]
    note = f"{best['contender']} / {peer['contender']}"
    result = target(what, least, found, note)
    if not true_enough:
        result["met"] = False
        result["note"] += f", whose KL is {best['mean_kl']:.4f}, allowed {bound:.4f}"
    return result


def from_ir(report: dict) -> dict:
    """From the load of an IR to the first token; llama.cpp and CTranslate2 load no IR."""
    what = "IR to first token, SmolLM2 INT8: the best peer's time over ours"
    key = "load_to_first_token_s"
    rows = [row for row in rows_of(report, "smollm2", "8 bits") if key in row]
    ours = [row for row in rows if row["contender"].startswith("mm_orch OpenVINO")]
    peers = [row for row in rows if row["contender"] in IR_PEERS]
    if not ours or not peers:
        return target(what, 2, None)
    best, peer = (min(some, key=lambda row: row[key]["median"]) for some in (ours, peers))
    note = f"{best['contender']} / {peer['contender']}"
    return target(what, 2, ratio(peer[key], best[key])["median"], note)


def crowd(report: dict) -> list[dict]:
    """Many callers at once, shared beginnings, text that repeats: SmolLM2 in 8 bits."""
    result = []
    for peers, least in (("openvino-genai", 1.3), ("llama.cpp", 2.5)):
        for size in ("16", "32"):
            what = f"{size} at once in 8 bits vs {peers}, SmolLM2"
            figure = ("batch", size)
            result.append(against_peers(report, what, least, "smollm2", "8 bits", figure, peers))
    for what, least, gain in (
        ("first tokens of 16 with a shared beginning of 512 vs without", 5, "shared_gain"),
        ("4 client threads vs one after another", 2.5, "clients_gain"),
        ("prompt lookup on text that repeats vs plain decode", 1.8, "repeats_gain"),
    ):
        for ours in CROWD_ROWS:
            found = (row_of(report, "smollm2", f"mm_orch {ours}") or {}).get(gain)
            result.append(target(f"{what}, {ours}", least, found and found["median"]))
    what, pair = "a lone request vs a plain loop", (f"mm_orch {CROWD_ROWS[1]}", PLAIN_LOOP)
    result.append(against_row(report, what, 0.98, "smollm2", ("decode",), *pair))
    what = "prompt lookup on text that repeats vs openvino-genai's"
    result.append(
        against_peers(report, what, 1.3, "smollm2", "8 bits", ("repeats",), "openvino-genai")
    )
    return result


def exports(report: dict, precision: str) -> list[dict]:
    made = {row["artifact"]: row for row in report["models"].get("smollm2", {}).get("exports", [])}
    ours, theirs = made.get(f"ours/{precision}"), made.get(f"optimum/{precision.lower()}")
    name = f"export {precision} of SmolLM2 vs optimum's, the conversion alone"
    if not ours or not theirs:
        return [target(name + ", speed", 8, None), target(name + ", memory", 2, None)]
    return [
        target(name + ", speed", 8, ratio(theirs["seconds"], ours["seconds"])["median"]),
        target(name + ", memory", 2, theirs["peak_rss_mb"] / ours["peak_rss_mb"]),
    ]


def evaluate(report: dict) -> list[dict]:
    """Of all targets: {"what", "least", "found", "met", "note"}; met is None if not measured."""
    titles = {"smollm2": "SmolLM2", "llama-1b": "1.1B"}
    result = [
        against_row(
            report, f"OpenVINO {precision} vs transformers FP32, GPT-2, 50 tokens", least, "gpt2",
            ("whole",), f"mm_orch OpenVINO {precision}", BASELINE,
        )
        for precision, least in (("FP32", 3.2), ("INT8", 6.5))
    ]  # fmt: skip
    shares = [row["share_of_limit"] for row in rows_of(report, "gpt2", "FP32") if is_ours(row)]
    result.append(
        target("FP32 decode, share of the memory's limit, GPT-2", 0.85, max(shares, default=None))
    )
    for bits, least in (("8 bits", 1.15), ("4 bits", 1.1)):
        for model, title in titles.items():
            what = f"decode in {bits} vs the best peer, {title}"
            result.append(against_peers(report, what, least, model, bits, ("decode",)))
    for model, title in titles.items():
        for length in ("128", "512", "2048"):
            what = f"prefill of {length} in 8 bits vs the best peer, {title}"
            figure = ("prefill", length)
            result.append(against_peers(report, what, 1.2, model, "8 bits", figure))
    for model, title in (titles | {"gpt2": "GPT-2"}).items():
        for short, least in (("FP32", 1.8), ("BF16", 1.5)):
            what = f"PyTorch {short} vs transformers eager, {title}"
            pair = (f"mm_orch PyTorch {short}", f"transformers {short}")
            result.append(against_row(report, what, least, model, ("decode",), *pair))
    result.append(from_ir(report))
    for precision in ("FP32", "INT8"):
        result += exports(report, precision)
    result += crowd(report)
    overhead = report.get("orchestration", {}).get("share_of_step")
    result.append(target("orchestration per token, share of a step", 0.01, overhead, most=True))
    return result
