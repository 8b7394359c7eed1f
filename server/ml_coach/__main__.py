"""`python -m ml_coach` is the command `ml-coach`."""

from ml_coach.cli import main

if __name__ == "__main__":
    main()
