"""``python -m huatuo`` is the same as ``huatuo``."""

from huatuo.cli import main

if __name__ == "__main__":
    main()
