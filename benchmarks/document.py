"""Writes the committed figures into the documents, between their markers.

python benchmarks/document.py
"""

import json

from harness.contenders import BASELINE
from harness.places import ROOT
from harness.summary import ratio

RESULTS = ROOT / "benchmarks/results"
GUIDE, README = ROOT / "docs/openvino_performance_guide.md", ROOT / "README.md"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def number(spread: dict | None) -> str:
    if not spread:
        return ""
    value = spread["median"]
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def has_lookup(model: dict) -> bool:
    return any("with_lookup" in row for row in model["rows"])


def speed_rows(model: dict) -> list[list[str]]:
    baseline = next((r for r in model["rows"] if r["contender"] == BASELINE), None)
    sizes = {name: [str(n) for n in model[name]] for name in ("prefill", "batch")}
    rows = []
    for row in model["rows"]:
        best = max(r["decode"]["median"] for r in model["rows"] if r["bits"] == row["bits"])
        decode = number(row["decode"])
        times = f"{ratio(row['decode'], baseline['decode'])['median']:.2f}x" if baseline else ""
        kl = f"{row['mean_kl']:.4f} / {row['top1']:.1%}" if "mean_kl" in row else ""
        rows.append(
            [
                row["contender"],
                f"**{decode}**" if row["decode"]["median"] == best else decode,
                times,
                f"{row['share_of_limit']:.0%}",
                *([number(row.get("with_lookup"))] if has_lookup(model) else []),
                *(number(row["prefill"].get(size)) for size in sizes["prefill"]),
                *(number(row["batch"].get(size)) for size in sizes["batch"]),
                kl,
            ]
        )
    return rows


def start_rows(model: dict) -> list[list[str]]:
    keys = ("load_s", "load_to_first_token_s", "cold_first_token_s")
    rows = []
    for row in model["rows"]:
        if "load_s" in row:
            seconds = [f"{row[key]['median']:.2f}" for key in keys]
            warm = f"{1e3 * row['warm_first_token_s']['median']:.0f}"
            rows.append([row["contender"], *seconds, warm, f"{row['peak_rss_mb']:.0f}"])
    return rows


def times(row: dict, key: str, digits: int = 2) -> str:
    return f"{row[key]['median']:.{digits}f}x" if key in row else ""


def crowd_rows(model: dict) -> list[list[str]]:
    return [
        [
            row["contender"],
            number(row.get("clients")),
            times(row, "clients_gain"),
            number(row.get("clients_as_called")),
            times(row, "clients_as_called_gain"),
            f"{row['shared_first_s']['median']:.2f}" if "shared_first_s" in row else "",
            times(row, "shared_gain", 1),
            number(row.get("repeats")),
            times(row, "repeats_gain"),
        ]
        for row in model["rows"]
        if row.keys() & {"shared_gain", "repeats"}
    ]


def target_rows(targets: list[dict]) -> list[list[str]]:
    verdicts = {True: "met", False: "missed", None: "not measured"}
    return [
        [
            target["what"],
            f"{target['least']:.3g}",
            "" if target["found"] is None else f"{target['found']:.3g}",
            verdicts[target["met"]] + (f" ({target['note']})" if target["note"] else ""),
        ]
        for target in targets
    ]


def where(report: dict) -> str:
    machine = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['cores']} cores of an {machine['cpu']}, memory reads "
        f"{report['read_bandwidth_gb_per_s']:.1f} GB/s, {machine['date']}, up to "
        f"{report['rounds']} rounds; {versions}."
    )


def guide(report: dict) -> list[str]:
    lines = [where(report), ""]
    for model in report["models"].values():
        heads = [f"prefill {size}" for size in model["prefill"]]
        heads += [f"{size} at once" for size in model["batch"]]
        lookup = ["with lookup"] if has_lookup(model) else []
        head = ["tokens/s", "decode", "ratio", "of the limit", *lookup, *heads, "mean KL / top-1"]
        lines += [f"### {model['title']}", "", *table(head, speed_rows(model))]
        lines += [f"Absent: {label}: {why}\n" for label, why in model["absent"].items()]
    head = ["SmolLM2", "load s", "load to first token s", "cold process s", "warm ms", "peak MB"]
    smollm2 = report["models"].get("smollm2")
    if smollm2:
        lines += ["### Start and memory", "", *table(head, start_rows(smollm2))]
        if rows := crowd_rows(smollm2):
            head = ["SmolLM2", "4 callers tokens/s", "vs in turn", "with lookup", "vs in turn",
                    "16 first tokens s", "vs no shared beginning", "repeating text tokens/s",
                    "vs no lookup"]  # fmt: skip
            lines += ["### Many callers, repeating text", "", *table(head, rows)]
        exports = [
            [row["artifact"], number(row["seconds"]), f"{row['peak_rss_mb']:.0f}",
             f"{row['size_mb']:.0f}"]
            for row in smollm2["exports"]
        ]  # fmt: skip
        if exports:
            head = ["conversion alone", "seconds", "peak MB", "MB on disk"]
            lines += ["### Conversion", "", *table(head, exports)]
    head = ["target", "bound", "found", ""]
    return [*lines, "### Targets", "", *table(head, target_rows(report["targets"]))]


def readme(report: dict) -> list[str]:
    """Decode and quality of SmolLM2 alone."""
    model = report["models"]["smollm2"]
    rows = [[row[0], row[1], row[2], row[-1]] for row in speed_rows(model)]
    head = [model["title"], "tokens/s", "ratio", "mean KL / top-1"]
    return [where(report), "", *table(head, rows)]


# Who shows what, and how.
PLACES = [
    (README, "peers.json", readme),
    (GUIDE, "peers.json", guide),
]


def with_tables(text: str, name: str, tables) -> str:
    """The text with the tables of results/`name` between its markers written anew."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, rest = text.split(begin)
    after = rest.split(end)[1]
    lines = tables(json.loads((RESULTS / name).read_text()))
    return before + begin + "\n" + "\n".join(lines).rstrip() + "\n" + end + after


def main() -> None:
    for path, name, tables in PLACES:
        path.write_text(with_tables(path.read_text(), name, tables))


if __name__ == "__main__":
    main()
