"""The configuration, the calibration releases and the parameters of the steps, read and checked."""
