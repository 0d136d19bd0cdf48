"""The detector steps: functions on arrays, one module per step."""


class NotApplicable(Exception):
    """The step decides not to touch this exposure; the message says why.

    The job layer passes the ramp on unchanged and records the step as SKIPPED.
    """

    status = "SKIPPED"


class NotUsable(NotApplicable):
    """The step cannot work with the parameters that it was given; recorded as FAILED, the ramp unchanged."""

    status = "FAILED"
