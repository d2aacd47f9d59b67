"""manifests, metrics → pass, or exit code 7; a passing model is promoted. See --help, README.md."""

import sys

from recspark.cli import run_job


def body(config, models, spark):
    from recspark.stages import gate

    gate.run(config)


if __name__ == "__main__":
    sys.exit(run_job("gate", body, with_spark=False))
