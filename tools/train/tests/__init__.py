"""`python3 -m unittest discover -s tools/train` from the repository's root, or `python3 -m unittest` here."""
