"""test and saved models → predictions, one data set a model. See --help, and README.md."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["score", *sys.argv[1:]]))
