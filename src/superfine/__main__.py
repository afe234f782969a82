"""``python -m superfine``: the command line."""

from superfine.cli.main import run

if __name__ == "__main__":
    run()
