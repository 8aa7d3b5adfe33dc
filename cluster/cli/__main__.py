"""`python -m cluster.cli` does what the script `isthmus` does."""

from cluster.cli import main

if __name__ == "__main__":
    main()
