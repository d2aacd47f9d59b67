"""Pairs of raw ids and saved models → predictions in their order. See --help and docs/jobs.md."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["score_pairs", *sys.argv[1:]]))
