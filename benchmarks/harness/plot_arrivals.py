"""The plot beside the JSON, in the peers' environment:

python -m harness.plot_arrivals RESULTS.json
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

COLOURS = ("#d98736", "#5b8db8", "#6aa56a", "#7f8c8d")


def main() -> None:
    path = Path(sys.argv[1])
    report = json.loads(path.read_text())
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for colour, (label, loads) in zip(COLOURS, report["engines"].items(), strict=False):
        rows = [row for row in loads if "error" not in row]
        rates = [row["requests_per_s"] for row in rows]
        axes[0].plot(rates, [row["tokens_per_s"] for row in rows], "o-", color=colour, label=label)
        offered = [row["offered_tokens_per_s"] for row in rows]
        axes[0].plot(rates, offered, ":", color="#999999", linewidth=1)
        for one, key, unit in ((axes[1], "first_token_s", 1), (axes[2], "token_s", 1e3)):
            having = [row for row in rows if key in row]
            for name, style in (("p50", "o-"), ("p99", "o--")):
                values = [unit * row[key][name] for row in having]
                one.plot([row["requests_per_s"] for row in having], values, style, color=colour)
    titles = (
        "tokens/s (dotted: asked for)", "time to first token, s (dashed: p99)",
        "time per token, ms (dashed: p99)",
    )  # fmt: skip
    for one, title in zip(axes, titles, strict=True):
        one.set_title(title, fontsize=10)
        one.set_xlabel("requests/s", fontsize=8)
        one.set_ylim(bottom=0)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    machine = report["machine"]
    figure.suptitle(f"{report['trace']}: {machine['cpu']}, {machine['cores']} cores", fontsize=9)
    figure.savefig(path.with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()
