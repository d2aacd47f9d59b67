"""predictions → metrics of each model and the leaderboard. See --help and docs/jobs.md."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
