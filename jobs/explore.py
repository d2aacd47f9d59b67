"""ratings, movies → statistics and a page of plots. See --help and docs/jobs.md."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["explore", *sys.argv[1:]]))
