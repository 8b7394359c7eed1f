"""`python -m ml_coach` is the command `ml-coach`."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        # Python searches the current folder before its own library. The files there may not be
        # trusted, and a `json.py` of theirs would run here, outside the sandbox.
        del sys.path[0]
    from ml_coach.cli import main

    main()
