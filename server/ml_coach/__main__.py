"""`python -m ml_coach` is the command `ml-coach`."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:
        # Python puts the folder that we were started in before its own library, and that folder
        # may be one whose files nobody trusts: its `json.py` would run here, outside the sandbox.
        del sys.path[0]
    from ml_coach.cli import main

    main()
