"""`python -m seqcap`: the command line where its script is not on the path."""

from seqcap.apps.cli import main

if __name__ == "__main__":
    main()
