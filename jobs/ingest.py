"""Raw text → ratings, movies, rejects. See --help and docs/jobs.md."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["ingest", *sys.argv[1:]]))
