"""movies and saved models → for each movie the movies most like it. See --help, and README.md."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["similar", *sys.argv[1:]]))
