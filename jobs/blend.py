"""valid, models and predictions → models/blend, predictions/blend. See --help, and README.md."""

import sys

from recspark.cli import run_job


def body(config, models, spark):
    from recspark.stages import blend

    blend.run(config, spark)


if __name__ == "__main__":
    sys.exit(run_job("blend", body))
