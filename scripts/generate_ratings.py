"""Generate Netflix-format text with known truth: ratings, titles, probe, qualifying and answers.

Try --num_users 2000 --num_movies 500 --num_ratings 100000 --output data/small. Does nothing if the
data was generated with the same settings before.
"""

import logging
import sys

from recspark.cluster.environment import check_environment
from recspark.errors import RecsparkError
from recspark.logs import configure_logging


def main() -> int:
    """Generate the data set that the command line describes; return the exit code."""
    configure_logging()
    try:
        check_environment()
        from recspark.cluster.session import create_session
        from recspark.config.load import load_settings
        from recspark.synthetic.generate import generate, open_step
        from recspark.synthetic.settings import GenerateConfig

        config = load_settings(GenerateConfig, sys.argv[1:], prog="generate_ratings.py")
        step = open_step(config)
        if not config.force and step.is_done():
            return 0
        spark = create_session(config.spark, app_name="generate")
        try:
            generate(config, step, spark)
        finally:
            spark.stop()
    except RecsparkError as error:
        logging.getLogger("recspark.generate").error("generate failed: %s", error)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
