"""The plot beside the JSON: python -m harness.plot RESULTS.json, in the peers' environment."""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.patches import Patch

COLOURS = {"FP32": "#7f8c8d", "16 bits": "#5b8db8", "8 bits": "#d98736", "4 bits": "#6aa56a"}


def draw(axes, model: dict) -> None:
    rows = list(reversed(model["rows"]))
    places = range(len(rows))
    values = [row["decode"]["median"] for row in rows]
    errors = [
        [row["decode"]["median"] - row["decode"]["min"] for row in rows],
        [row["decode"]["max"] - row["decode"]["median"] for row in rows],
    ]
    axes.barh(
        places, values, xerr=errors, color=[COLOURS[row["bits"]] for row in rows], height=0.75,
        error_kw={"elinewidth": 0.8},
    )  # fmt: skip
    for place, row in zip(places, rows, strict=True):
        limit = model["limit_tokens_per_s"][row["bits"]]
        axes.plot([limit, limit], [place - 0.45, place + 0.45], color="#b03030", linewidth=1)
    axes.set_yticks(places, [row["contender"] for row in rows], fontsize=8)
    for label, row in zip(axes.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row["contender"].startswith("mm_orch") else "normal")
    axes.set_xlim(0, 1.25 * max(values))
    axes.set_title(model["title"], fontsize=10)
    axes.set_xlabel("decode, tokens/s, one sequence", fontsize=8)


def main() -> None:
    path = Path(sys.argv[1])
    report = json.loads(path.read_text())
    models = [model for model in report["models"].values() if model["rows"]]
    figure, axes = pyplot.subplots(
        1, len(models), figsize=(5.2 * len(models), 6.5), layout="constrained", squeeze=False
    )
    for one, model in zip(axes[0], models, strict=True):
        draw(one, model)
    handles = [Patch(color=colour, label=bits) for bits, colour in COLOURS.items()]
    handles.append(Patch(color="#b03030", label="limit of the memory"))
    figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize=8)
    machine = report["machine"]
    figure.suptitle(f"{machine['cpu']}, {machine['cores']} cores, {machine['date']}", fontsize=9)
    figure.savefig(path.with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()
