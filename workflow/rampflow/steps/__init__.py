"""The detector steps: functions on arrays, one module per step."""


class NotApplicable(Exception):
    """The step decides not to touch this exposure; the message says why.

    The job layer passes the ramp on unchanged and records the step as SKIPPED.
    """
