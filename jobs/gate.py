"""manifests, metrics → pass, or exit code 7; a passing model is promoted. See --help, README.md."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["gate", *sys.argv[1:]]))
