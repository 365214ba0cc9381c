"""``python -m monitor`` is the command ``calwatch``."""

from monitor.cli.app import main

if __name__ == "__main__":
    main()
