"""`python -m lab`, the same as `lab`."""

from lab.cli.main import main

if __name__ == "__main__":
    main()
