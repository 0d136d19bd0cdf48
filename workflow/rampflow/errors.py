"""What can go wrong and is said to the user as it stands: one line with what was found, where, and what to do."""


class RampflowError(Exception):
    """Base of all errors whose message was written for the user."""


class FileProblem(RampflowError):
    """A file is not what the step needs."""


class BadExposure(RampflowError):
    """A raw file cannot be an exposure of this pipeline."""


class StepError(RampflowError, ValueError):
    """What a step's function is given does not fit together, or is not what the step can work on."""


class OutOfOrder(RampflowError):
    """A part of a step was asked for something that has to come before, or after, what was done already."""
