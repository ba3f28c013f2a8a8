"""`python -m consentry` and the `consentry` command."""

from consentry.cli.commands import main

if __name__ == "__main__":
    main()
