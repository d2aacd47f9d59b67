"""Compare presets with their large-scale presets on generated ratings of known irreducible error.

    python scripts/benchmarks/large_presets.py
    python scripts/benchmarks/large_presets.py --num_ratings 10000000 --num_users 48000 \\
        --num_movies 17770 --models bias,netflix_mf_large

Generates Netflix-format text once, then trains, scores and evaluates each model on its probe.
Prints a Markdown table: RMSE, how far it is above the irreducible error, seconds of training and
scoring, and for a large-scale preset (`_large`) how many times faster it was. Reuses what an
earlier run left under --work. Other options are those of jobs/pipeline.py.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import Any

from models import run_models

from recspark.cluster.environment import check_environment
from recspark.cluster.session import create_session
from recspark.config.presets import list_presets
from recspark.errors import RecsparkError
from recspark.logs import configure_logging

LARGE = "_large"


def generate_text(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Generate the ratings unless they exist, and return the truth about them."""
    from recspark.synthetic.generate import generate, open_step
    from recspark.synthetic.settings import GenerateConfig

    config = GenerateConfig(
        output=str(folder),
        num_users=arguments.num_users,
        num_movies=arguments.num_movies,
        num_ratings=arguments.num_ratings,
        probe_share=arguments.probe_share,
    )
    step = open_step(config)
    if not step.is_done():
        generate(config, step, create_session(config.spark, app_name="generate"))
    return dict(json.loads((folder / "truth.json").read_text()))


def render(metrics: dict[str, Any], irreducible: float) -> str:
    """Return a Markdown table: each large-scale preset below its original, other presets first."""
    rows = [["preset", "RMSE", "above irreducible", "seconds", "times faster"], ["---"] * 5]
    for name in sorted(metrics, key=lambda name: (name + LARGE in metrics or LARGE in name, name)):
        one, original = metrics[name], metrics.get(name.removesuffix(LARGE))
        is_large = name.endswith(LARGE) and original
        faster = f"{original['seconds'] / one['seconds']:.1f}" if is_large and original else ""
        above = f"{one['rmse'] / irreducible - 1:.1%}"
        rows.append([f"`{name}`", f"{one['rmse']:.4f}", above, f"{one['seconds']:,.0f}", faster])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    large_presets = [name for name in list_presets() if name.endswith(LARGE)]
    both = [name for large in large_presets for name in (large.removesuffix(LARGE), large)]
    parser.add_argument("--models", default=",".join(["bias", *both]))
    parser.add_argument("--num_ratings", type=int, default=1_000_000)
    parser.add_argument("--num_users", type=int, default=5_000)
    parser.add_argument("--num_movies", type=int, default=4_000)
    parser.add_argument("--probe_share", type=float, default=0.05)
    parser.add_argument("--num_buckets", type=int, default=16)
    parser.add_argument("--work", type=Path, default=Path("runs/compare"))
    arguments, others = parser.parse_known_args()
    configure_logging()
    check_environment()
    work = arguments.work.resolve()
    name = f"generated-{arguments.num_ratings}"
    data = work / f"{name}-text"
    words = [
        *("--name", name, "--run_dir", str(work / name), "--models", arguments.models),
        *("--ingest.format", "netflix", "--ingest.ratings", f"{data}/combined_data_*.txt"),
        *("--ingest.movies", f"{data}/movie_titles.csv", "--ingest.probe", f"{data}/probe.txt"),
        *("--prepare.split", "probe", "--prepare.num_buckets", str(arguments.num_buckets)),
    ]
    try:
        irreducible = generate_text(data, arguments)["probe"]["floor_rmse"]
        metrics = run_models([*words, *others])
    except RecsparkError as error:
        logging.getLogger("recspark.compare").error("large_presets failed: %s", error)
        return error.exit_code
    print(render(metrics, irreducible))
    print(f"irreducible RMSE {irreducible:.4f}")
    kept = ("rmse", "seconds", "mae", "coverage")
    summary = {name: {key: one[key] for key in kept} for name, one in metrics.items()}
    file = work / f"{name}.json"
    file.write_text(json.dumps({"floor": irreducible, "models": summary}, indent=1))
    print(f"written to {file}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
