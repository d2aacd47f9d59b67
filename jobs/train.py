"""train, valid → the models that PyTorch trains. See --help, and README.md.

Started by python or spark-submit, it launches its ranks through Spark; started by torchrun, each
process is one rank and Spark is left out: torchrun --nproc_per_node 2 jobs/train.py --config …
"""

import sys

from recspark.cli import is_torchrun, run_job


def body(config, models, spark):
    from recspark.stages import train

    for name, settings in models.items():
        if settings.train.architecture:
            train.run(settings, name, spark)


if __name__ == "__main__":
    sys.exit(run_job("train", body, with_spark=not is_torchrun()))
