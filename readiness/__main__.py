"""``python -m readiness``: the command line where its script is not on PATH."""

from readiness.cli import main

main()
