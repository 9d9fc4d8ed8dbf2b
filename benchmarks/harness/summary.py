"""From the visits' raw figures to rows of a table. Pure functions.

A figure of a visit is the best that its runs suggest (their median); a figure of a row is the
median of the rounds, with their least and greatest. A ratio is the median of the rounds' own
ratios, so that a change of the machine's speed between rounds does not count.
"""

from statistics import median

from harness.contenders import CONTENDERS
from harness.models import Model
from harness.visits import CLIENT_TOKENS, CLIENTS, REPEATED

BYTES = {"FP32": 4.0, "16 bits": 2.0, "8 bits": 1.0, "4 bits": 0.5}  # of a weight, scales apart


def spread(values: list[float]) -> dict:
    """The median, the least, the greatest, and each round's value."""
    return {"median": median(values), "min": min(values), "max": max(values), "rounds": values}


def ratio(first: dict, second: dict) -> dict:
    """Of two spreads, round by round."""
    pairs = zip(first["rounds"], second["rounds"], strict=False)
    return spread([a / b for a, b in pairs])


def whole_rate(run: list[float], new_tokens: int) -> float:
    """Tokens per second of a whole generation, as a user would time it."""
    return new_tokens / run[0]


def decode_rate(run: list[float], new_tokens: int) -> float:
    """Tokens per second after the first."""
    return (new_tokens - 1) / (run[0] - run[1])


def median_rates(rate, visits: list[list], new_tokens: int) -> dict:
    """Of each visit's runs the median of their rates, as whole_rate or decode_rate has it."""
    return spread([median(rate(run, new_tokens) for run in runs) for runs in visits])


def crowd_figures(visits: list[dict]) -> dict:
    """Many callers and text that repeats: speeds, and how many times as fast as without sharing."""
    row: dict = {}
    repeats = [visit["repeats"] for visit in visits if "repeats" in visit]
    if repeats:
        row["repeats"] = median_rates(decode_rate, repeats, REPEATED)
    both = [visit for visit in visits if "repeats_plainly" in visit]
    if both:
        row["repeats_gain"] = ratio(
            *(
                median_rates(decode_rate, [visit[figure] for visit in both], REPEATED)
                for figure in ("repeats", "repeats_plainly")
            )
        )
    for figure in ("clients", "clients_as_called"):
        clients = [visit[figure] for visit in visits if figure in visit]
        if clients:
            row[figure] = spread([CLIENTS * CLIENT_TOKENS / c["together"] for c in clients])
            row[f"{figure}_gain"] = spread([c["in_turn"] / c["together"] for c in clients])
    beginnings = [visit["beginnings"] for visit in visits if "beginnings" in visit]
    if beginnings:
        row["shared_first_s"] = spread([b["shared"] for b in beginnings])
        row["shared_gain"] = spread([b["apart"] / b["shared"] for b in beginnings])
    return row


def summarise_contender(visits: list[dict], model: Model) -> dict:
    """The row of one contender from its visits, one a round."""
    row: dict = {}
    decodes = [visit["decode"] for visit in visits if "decode" in visit]
    if decodes:
        new = model.new_tokens
        row["decode"] = median_rates(decode_rate, decodes, new)
        called = [visit.get("as_called", visit["decode"]) for visit in visits if "decode" in visit]
        row["whole"] = median_rates(whole_rate, called, new)
        if any("as_called" in visit for visit in visits):
            row["with_lookup"] = median_rates(decode_rate, called, new)
    for scenario, rate in (
        ("prefill", lambda size, seconds: size / min(seconds)),
        ("batch", lambda size, seconds: size * model.batch_new_tokens / seconds),
    ):
        sizes = [str(size) for size in getattr(model, scenario)]
        row[scenario] = {
            size: spread([rate(int(size), visit[scenario][size]) for visit in having])
            for size in sizes
            if (having := [visit for visit in visits if size in visit.get(scenario, {})])
        }
    row |= crowd_figures(visits)
    starts = [visit["start"] for visit in visits if "start" in visit]
    for key in (
        "import_s", "load_s", "load_to_first_token_s", "cold_first_token_s", "warm_first_token_s",
    ):  # fmt: skip
        if starts:
            row[key] = spread([start[key] for start in starts])
    memory = [visit.get("memory_of_one_sequence") for visit in visits]
    memory = [figures for figures in memory if figures]
    if memory:
        row["peak_rss_mb"] = median(figures["peak_rss_mb"] for figures in memory)
        row["anonymous_mb"] = median(figures["anonymous_mb"] for figures in memory)
    for visit in visits:
        row |= visit.get("quality", {})
    return row


def summarise_model(visits: list[dict], model: Model, about: dict, bandwidth: float) -> dict:
    """The rows of one model, in the table's order, and who is absent and why.

    visits: {"contender", "round", figures ...}. bandwidth: bytes per second.
    """
    read = about["parameters_read"]
    limits = {bits: bandwidth / (size * read) for bits, size in BYTES.items()}
    rows, absent = [], {}
    for contender in CONTENDERS:
        own = [visit for visit in visits if visit["contender"] == contender.label]
        errors = [visit["error"] for visit in own if "error" in visit]
        if errors:
            absent[contender.label] = errors[0]
        row = summarise_contender(own, model)
        if "decode" not in row:
            continue
        row["share_of_limit"] = row["decode"]["median"] / limits[contender.bits]
        rows.append({"contender": contender.label, "bits": contender.bits} | row)
    by_label = {row["contender"]: row for row in rows}
    for contender in CONTENDERS:
        source = by_label.get(contender.logits_of, {})
        if contender.label in by_label and "mean_kl" in source:
            taken = {key: source[key] for key in ("mean_kl", "top1")}
            by_label[contender.label] |= taken | {"quality_of": contender.logits_of}
    return {
        "title": model.title, "parameters_read": read, "limit_tokens_per_s": limits,
        "new_tokens": model.new_tokens, "prefill": model.prefill, "batch": model.batch,
        "rows": rows, "absent": absent,
    }  # fmt: skip
