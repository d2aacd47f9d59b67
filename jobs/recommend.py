"""train, valid and saved models → top-N lists of each user. See --help, and README.md."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["recommend", *sys.argv[1:]]))
