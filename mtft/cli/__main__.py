"""`python -m mtft.cli` is the command `mtft`."""

from mtft.cli.main import main

if __name__ == "__main__":
    main()
