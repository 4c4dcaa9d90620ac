"""``python -m loudsync``: the same as the command ``loudsync``."""

import sys

from loudsync.cli import main

if __name__ == "__main__":
    sys.exit(main())
