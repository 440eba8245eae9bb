"""The documents: their commands are run, and their outputs compared."""
