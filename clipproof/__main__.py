"""`python -m clipproof`."""

from clipproof.cli import main

main()
