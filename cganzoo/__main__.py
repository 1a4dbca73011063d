"""``python -m cganzoo`` is the command ``cganzoo``."""

import sys

from cganzoo.cli.main import main

if __name__ == "__main__":
    sys.argv[0] = "cganzoo"  # for the command line that a run's manifest records
    main()
