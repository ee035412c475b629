"""`python -m ppim`: the command line where the `ppim` script is not on the path."""

from ppim.cli import run

if __name__ == "__main__":
    run()
