"""predictions → metrics of each model and the leaderboard. See --help, and README.md."""

import sys

from recspark.cli import run_job


def body(config, models, spark):
    from recspark.stages import evaluate

    evaluate.run(models, spark)


if __name__ == "__main__":
    sys.exit(run_job("evaluate", body))
