"""What the package raises where the cause is known: the message is the whole story, in one line, for the user."""


class RampflowError(Exception):
    """Something that was given cannot be used; the message says what was found, where, and what to do."""


class FileProblem(RampflowError):
    """A file is not what the step needs; the message says what was found, where, and what to do."""


class BadExposure(RampflowError):
    """A file is not an exposure that the workflow can use; the message says what is wrong with it."""
