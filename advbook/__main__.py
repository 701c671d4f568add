"""``python -m advbook`` and the command ``advbook``."""

from advbook import needs


def main() -> None:
    """Run the command line; without the book's libraries, say in one line what to install."""
    try:
        needs("click", "rich", "yaml")
    except ModuleNotFoundError as error:
        raise SystemExit(f"advbook: {error}") from None
    from advbook import cli

    cli.main()


if __name__ == "__main__":
    main()
