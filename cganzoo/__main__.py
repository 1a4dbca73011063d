"""``python -m cganzoo`` is the command ``cganzoo``."""

from cganzoo.cli.main import main

if __name__ == "__main__":
    main()
