"""What a parser says of bytes it cannot read."""


class UnreadableError(ValueError):
    """A source does not say what it should; the message says what was met, in one line."""
