"""manifests, metrics → pass, or exit code 7; promotes a passing model. See docs/jobs.md."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main(["gate", *sys.argv[1:]]))
