"""`python -m synthgen`, the same as the `synthgen` command."""

from synthgen.cli import main

if __name__ == "__main__":
    main()
