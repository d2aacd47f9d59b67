"""movies and saved models → for each movie the most similar ones. See --help and docs/jobs.md."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["similar", *sys.argv[1:]]))
