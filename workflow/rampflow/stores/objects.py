"""What a store says of an object, and what can go wrong with it."""

from typing import NamedTuple

from rampflow.errors import RampflowError


class StoreProblem(RampflowError):
    """An object of a store cannot be had; the message does not name it."""


class ConnectionBroken(StoreProblem):
    """The connection has ended before all was there: one may go on from where it ended."""


class Unreachable(ConnectionBroken):
    """A server gives no answer.

    Parameters
    ----------
    message : str
        What is said to the user.
    at_all : bool
        Whether it could not even be connected to, so that there is no use in asking it for other objects.
    """

    def __init__(self, message: str, at_all: bool) -> None:
        super().__init__(message)
        self.at_all = at_all


def complete(content: bytes, size: int) -> bytes:
    """Return what has come of an object, if it is all that was asked for.

    Raises
    ------
    ConnectionBroken
        It is less.
    """
    if len(content) != size:
        raise ConnectionBroken(f"truncated: {len(content)} bytes came, {size} were asked for")
    return content


class ObjectChanged(StoreProblem):
    """An object is not any more what it was when the run began."""

    def __init__(self) -> None:
        super().__init__("it has changed in the store since the run began; start the run again")


class NoRanges(StoreProblem):
    """A server gives whole files only."""


class Stored(NamedTuple):
    """An object as its store describes it."""

    url: str  #: its address
    size: int  #: in bytes
    etag: str | None  #: what the store says of its content; None where it says nothing
    modified: str | None  #: when it was put there, in the words of the store; None where it does not say

    @property
    def version(self) -> list[object]:
        """What is another one when the content is: its size, and its ETag; its time where there is none."""
        return [self.size, self.etag or self.modified]
