"""A run directory → one page about it. See --help and docs/jobs.md."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["report", *sys.argv[1:]]))
