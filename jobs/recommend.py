"""train, valid and saved models → top-N lists of each user. See --help, and README.md."""

import sys

from recspark.cli import run_job


def body(config, models, spark):
    from recspark.recommend.choose import choose_models
    from recspark.stages import recommend

    chosen = choose_models(config.recommend.models, models, "recommend.models")
    for model, settings in chosen.items():
        recommend.run(settings, model, spark)


if __name__ == "__main__":
    sys.exit(run_job("recommend", body))
