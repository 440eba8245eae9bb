"""The base of all schemas: objects with exactly their members."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Members(BaseModel):
    """A JSON object with exactly its members."""

    model_config = ConfigDict(extra="forbid", validate_by_name=True)


class Document(Members):
    """The document that a command prints with --json."""

    schema_number: Annotated[
        Literal[2], Field(alias="schema", description="Goes up when a reader of an older version would misread it.")
    ]


Interval = Annotated[list[float], Field(min_length=2, max_length=2)]
"""The two ends of a 95 % Wilson interval."""

Count = Annotated[int, Field(ge=0)]


class ErrorMembers(Members):
    """The reason why a command failed."""

    message: str
    hint: str | None
    evidence: str | None


class Error(Document):
    """An error; the exit status is 2 for bad input, 3 for a broken environment, 130 after Ctrl-C."""

    error: ErrorMembers
