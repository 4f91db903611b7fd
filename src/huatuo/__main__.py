"""``python -m huatuo`` is the same as ``huatuo``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; one that is stopped while it is still being loaded says so in one line."""
    try:
        from huatuo.cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; what is finished stays: the same command goes on from there\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
