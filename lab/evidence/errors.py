"""The error that parsers raise for unreadable input."""


class UnreadableError(ValueError):
    """A source does not have the expected form; the one-line message quotes the input."""
