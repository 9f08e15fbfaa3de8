"""``python -m generator.runner``."""

from generator.runner.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
