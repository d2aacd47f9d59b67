"""`python -m recspark <job>`: the command where no console script is installed."""

import sys

from recspark.cli import main

if __name__ == "__main__":
    sys.exit(main())
