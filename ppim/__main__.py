"""`python -m ppim`: the command line where the `ppim` script is not on the path."""

from ppim.cli import main

if __name__ == "__main__":
    main()
