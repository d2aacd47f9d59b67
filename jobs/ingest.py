"""Raw text → ratings, movies, rejects. See --help, and README.md, "The jobs"."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["ingest", *sys.argv[1:]]))
