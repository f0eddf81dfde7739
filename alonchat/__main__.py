"""`python -m alonchat` is the same as `alonchat`."""

from alonchat.cli import main

if __name__ == "__main__":
    main()
