"""ratings, movies → statistics and a page of plots. See --help, and README.md, "The jobs"."""

import sys

from recspark.cli import run_job


def body(config, models, spark):
    from recspark.stages import explore

    explore.run(config, spark)


if __name__ == "__main__":
    sys.exit(run_job("explore", body))
