"""The tables, as text."""

from harness.contenders import BASELINE
from harness.summary import ratio


def _row_of(rows: list[dict], label: str) -> dict | None:
    return next((row for row in rows if row["contender"] == label), None)


def _cell(value: float | None, digits: int, width: int) -> str:
    return f"{'-' if value is None else f'{value:.{digits}f}':>{width}}"


def _medians(row: dict, scenario: str, sizes: list[str]) -> str:
    cells = [row.get(scenario, {}).get(size) for size in sizes]
    return "".join(_cell(cell and cell["median"], 0, 8) for cell in cells)


def speed_table(model: dict) -> list[str]:
    """Tokens per second; the best of each precision is marked."""
    rows = model["rows"]
    sizes = {
        name: sorted({size for row in rows for size in row.get(name, {})}, key=int)
        for name in ("prefill", "batch")
    }
    heads = [f"pre {size}" for size in sizes["prefill"]] + [f"x{size}" for size in sizes["batch"]]
    lines = [
        f"{'tokens/s':28}{'decode':>8} {'spread':>13}{'ratio':>7}{'limit':>7}{'lookup':>8}"
        + "".join(f"{head:>8}" for head in heads)
    ]
    baseline = _row_of(rows, BASELINE)
    previous = None
    for row in rows:
        if row["bits"] != previous:
            lines.append(
                f"-- {row['bits']}: at most {model['limit_tokens_per_s'][row['bits']]:.0f}"
            )
            previous = row["bits"]
        decode = row["decode"]
        times = f"{ratio(decode, baseline['decode'])['median']:.2f}x" if baseline else "-"
        best = max(r["decode"]["median"] for r in rows if r["bits"] == row["bits"])
        mark = "*" if decode["median"] == best else " "
        lines.append(
            f"{row['contender']:28}{decode['median']:8.1f}{mark}"
            f"{decode['min']:6.1f}-{decode['max']:<6.1f}{times:>7}{row['share_of_limit']:7.0%}"
            f"{_cell(row['with_lookup']['median'] if 'with_lookup' in row else None, 1, 8)}"
            f"{_medians(row, 'prefill', sizes['prefill'])}{_medians(row, 'batch', sizes['batch'])}"
        )
    return lines


def rest_table(model: dict) -> list[str]:
    """Starting, memory and quality."""
    lines = [
        f"{'':28}{'load s':>8}{'to 1st s':>9}{'cold s':>8}{'warm ms':>9}{'RSS MB':>8}{'own MB':>8}"
        f"{'mean KL':>10}{'top-1':>7}"
    ]
    for row in model["rows"]:

        def middle(key: str, row=row) -> float | None:
            return row[key]["median"] if key in row else None

        warm, top1 = middle("warm_first_token_s"), row.get("top1")
        lines.append(
            f"{row['contender']:28}{_cell(middle('load_s'), 2, 8)}"
            f"{_cell(middle('load_to_first_token_s'), 2, 9)}"
            f"{_cell(middle('cold_first_token_s'), 2, 8)}{_cell(warm and warm * 1e3, 1, 9)}"
            f"{_cell(row.get('peak_rss_mb'), 0, 8)}{_cell(row.get('anonymous_mb'), 0, 8)}"
            f"{_cell(row.get('mean_kl'), 5, 10)}"
            + ("      -" if top1 is None else f"{top1:7.1%}")
            + (" (as " + row["quality_of"] + ")" if "quality_of" in row else "")
        )
    return lines


def crowd_table(model: dict) -> list[str]:
    """Many callers, and text that repeats."""
    rows = [row for row in model["rows"] if row.keys() & {"shared_gain", "repeats"}]
    if not rows:
        return []
    lines = [
        f"{'':28}{'4 callers':>11}{'gain':>7}{'with lookup':>13}{'gain':>7}"
        f"{'shared 1st s':>14}{'gain':>7}{'repeats':>9}{'gain':>7}"
    ]
    for row in rows:
        cells = (("clients", 0, 11), ("clients_gain", 2, 7), ("clients_as_called", 0, 13),
                 ("clients_as_called_gain", 2, 7), ("shared_first_s", 2, 14),
                 ("shared_gain", 1, 7), ("repeats", 0, 9), ("repeats_gain", 2, 7))  # fmt: skip
        lines.append(
            f"{row['contender']:28}"
            + "".join(
                _cell(row[key]["median"] if key in row else None, digits, width)
                for key, digits, width in cells
            )
        )
    return [*lines, ""]


def export_table(model: dict) -> list[str]:
    if not model.get("exports"):
        return []
    lines = [f"{'conversion alone':28}{'seconds':>8}{'peak RSS MB':>12}{'added MB':>10}{'MB':>7}"]
    for row in model["exports"]:
        lines.append(
            f"{row['artifact']:28}{row['seconds']['median']:8.2f}{row['peak_rss_mb']:12.0f}"
            f"{row['added_peak_rss_mb']:10.0f}{row['size_mb']:7.0f}"
        )
    return lines


def target_table(targets: list[dict]) -> list[str]:
    lines = [f"{'target':62}{'least':>8}{'found':>9}  "]
    for target in targets:
        found = "-" if target["found"] is None else f"{target['found']:.3g}"
        verdict = {True: "met", False: "missed", None: "not measured"}[target["met"]]
        lines.append(
            f"{target['what']:62}{target['least']:>8.3g}{found:>9}  {verdict}"
            + (f" ({target['note']})" if target["note"] else "")
        )
    return lines


def text(report: dict) -> str:
    lines = []
    for model in report["models"].values():
        lines += ["", f"== {model['title']} =="]
        lines += speed_table(model) + [""] + rest_table(model) + [""] + crowd_table(model)
        lines += export_table(model)
        lines += [f"absent: {label}: {why}" for label, why in model["absent"].items()]
    machine = report["machine"]
    lines += [
        "",
        f"{machine['cpu']}, {machine['cores']} cores, memory reads "
        f"{report['read_bandwidth_gb_per_s']:.1f} GB/s; up to {report['rounds']} rounds; "
        "ratio: to transformers FP32; *: the fastest of its precision",
        "",
    ]
    return "\n".join(lines + target_table(report["targets"]))
