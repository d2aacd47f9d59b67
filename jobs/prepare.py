"""ratings → user and movie index, train, valid, test. See --help and docs/jobs.md."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["prepare", *sys.argv[1:]]))
