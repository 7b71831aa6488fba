"""`python -m hlsgen`: the command line."""

from hlsgen.cli import main

main()
