"""`seqcap` and `python -m seqcap`: the command line, quiet if Ctrl-C comes while it is imported."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Imports the command line and runs it."""
    try:
        from seqcap.apps import cli
    except KeyboardInterrupt:
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
