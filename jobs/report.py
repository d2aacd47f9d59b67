"""A run directory → one page about it. See --help, and README.md, "The report"."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["report", *sys.argv[1:]]))
