"""Compare presets by test RMSE on the published folds of MovieLens-100K and by the mean over folds.

    python scripts/benchmarks/models.py
    python scripts/benchmarks/models.py --models bias,scaled_nn --folds 1,2 --train.epochs 3

Prepares each fold once, then trains, scores and evaluates each preset on it. Reuses what an earlier
run left under --work, so an interrupted run can be continued. Other options are those of
jobs/pipeline.py. Prints a Markdown table and writes its figures as JSON beside the runs.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recspark.cluster.environment import check_environment
from recspark.cluster.session import create_session
from recspark.config import Config
from recspark.config.load import load_model_configs
from recspark.config.presets import list_presets
from recspark.contract.paths import RunPaths
from recspark.errors import RecsparkError
from recspark.files import json_files
from recspark.logs import configure_logging

REFERENCE_MODEL = "bias"

# The figures that notebooks report: the root of the last validation loss, which includes L2.
# Their data differs from these folds: 57 million ratings of the Netflix set, and the 100,004 of
# ml-latest-small, both split 80/20 at random.
_NETFLIX = "github.com/Amir-Fakhim/Recommender-systems, Netflix_Prize_Rec"
_LESSON = "github.com/fastai/courses, deeplearning1/nbs/lesson4.ipynb"
NOTEBOOKS = {
    "netflix_mf": ("0.896", _NETFLIX),
    "netflix_deep": ("0.830", _NETFLIX),
    "netflix_residual": ("0.818", _NETFLIX),
    "lesson_dot": ("1.600", _LESSON),
    "lesson_bias": ("1.071", _LESSON),
    "lesson_nn": ("0.917", _LESSON),
}


def compare_fold(fold: int, arguments: argparse.Namespace, others: Sequence[str]) -> dict[str, Any]:
    """Return the metrics of every model on one fold, by name."""
    folder = arguments.work.resolve() / f"u{fold}"
    words = [
        *("--config", str(arguments.config), "--name", f"u{fold}", "--run_dir", str(folder)),
        *("--prepare.split", "pairs", "--prepare.pairs", arguments.pairs.format(fold=fold)),
        *("--models", arguments.models, *others),
    ]
    return run_models(words)


def run_models(words: Sequence[str]) -> dict[str, Any]:
    """Run the stages with these command-line words; return the metrics of every model, by name."""
    from recspark.stages import baseline, evaluate, ingest, prepare, score, train

    models: dict[str, Config] = load_model_configs(words, prog="compare")
    config = next(iter(models.values()))
    spark = create_session(config.spark, app_name="compare")
    ingest.run(config, spark)
    prepare.run(config, spark)
    for name, settings in models.items():
        fit = baseline if settings.baseline.algorithm else train
        fit.run(settings, name, spark)
    for name, settings in models.items():
        score.run(settings, name, spark)
    evaluate.run(models, spark)
    paths = RunPaths(config.root)
    return {name: json_files.read_json(paths.metrics(name)) for name in models}


def render(results: dict[int, dict[str, Any]]) -> str:
    """Return a Markdown table of the models, best first."""
    folds = sorted(results)
    names = sorted(results[folds[0]], key=lambda name: mean(results, name, "rmse"))
    heads = ["preset", *(f"u{fold}" for fold in folds), "mean RMSE", "seconds", "its notebook"]
    rows = [heads, ["---"] * len(heads)]
    for name in names:
        each = [f"{results[fold][name]['rmse']:.4f}" for fold in folds]
        figure = NOTEBOOKS.get(name, ("–",))[0]
        seconds = f"{mean(results, name, 'seconds'):.0f}"
        rows.append([f"`{name}`", *each, f"{mean(results, name, 'rmse'):.4f}", seconds, figure])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def mean(results: dict[int, dict[str, Any]], name: str, figure: str) -> float:
    """Return the mean of a figure over the folds."""
    return statistics.fmean(fold[name][figure] for fold in results.values())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("conf/movielens-100k.yaml"))
    parser.add_argument("--pairs", default="data/movielens-100k/u{fold}.test")
    parser.add_argument("--folds", default="1,2,3,4,5")
    known = list_presets()
    recipes = [name for name in known if not name.endswith("_large")]
    parser.add_argument("--models", default=",".join(recipes), help=f"any of {', '.join(known)}")
    parser.add_argument("--work", type=Path, default=Path("runs/compare"))
    arguments, others = parser.parse_known_args()
    configure_logging()
    check_environment()
    results = {}
    try:
        for fold in map(int, arguments.folds.split(",")):
            results[fold] = compare_fold(fold, arguments, others)
    except RecsparkError as error:
        logging.getLogger("recspark.compare").error("models failed: %s", error)
        return error.exit_code
    print(render(results))
    names = next(iter(results.values()))
    summary = {
        name: {
            "rmse": mean(results, name, "rmse"),
            "seconds": mean(results, name, "seconds"),
            "folds": {fold: each[name]["rmse"] for fold, each in results.items()},
            "notebook": NOTEBOOKS.get(name),
        }
        for name in names
    }
    file = arguments.work / "comparison.json"
    file.write_text(json.dumps(summary, indent=1))
    print(f"written to {file}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
