"""`python -m testbed`: the same as the `bed` script beside the package."""

from testbed.cli import main

main()
