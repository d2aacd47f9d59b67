"""valid, models and predictions → models/blend, predictions/blend. See --help and docs/jobs.md."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["blend", *sys.argv[1:]]))
