"""What the synthetic detector does to a ramp: every effect has a switch, which is its strength."""

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Effects:
    """Strength of every effect: 0 is off, 1 is nominal, other values scale it.

    With all of them at 0 (the default) a ramp is the pedestal of the detector plus an exact straight line,
    rounded to whole DN.

    Attributes
    ----------
    photon_noise : float
        Poisson noise of light and dark current. A strength other than 1 scales the deviation from the mean.
    read_noise, reset_noise : float
        Gaussian noise of every read, and of every reset (kTC; one value per pixel and integration).
    bias : float
        Fixed structure from pixel to pixel; the superbias reference holds it.
    dark_current : float
        Dark current, with hot pixels when `bad_pixels` is on, and the settling after a reset.
    nonlinearity : float
        Response that falls off with signal; the linearity reference undoes it.
    saturation : float
        Full wells: a signal stays at the well depth once it is reached (0 or 1).
    charge_spill : float
        Fraction of the charge beyond a full well that goes to the four neighbours. Needs `saturation`.
    cosmic_rays, cosmic_ray_energy : float
        Rate (nominal: 5 hits per cm2 and second) and energy of cosmic rays.
    snowballs, showers : float
        Rate of large round events of the near-infrared detectors and of faint wide ones of MIRI.
    ipc : float
        Coupling of a pixel to its neighbours.
    gain_structure : float
        Scatter of the gain from pixel to pixel.
    amplifier_offsets, odd_even_columns, row_noise : float
        Drifts that reference pixels see too: of an output per frame, of odd and even columns, 1/f along
        the slow axis.
    picture_frame : float
        NIRSpec: a level that is higher towards the edge of the detector, and drifts with its temperature.
    odd_even_rows : float
        MIRI: offsets of odd and even rows of every output that change from frame to frame.
    reset_anomaly, rscd, first_frame, last_frame, emi : float
        MIRI: exponential start of every integration (in the reset reference); further non-linear start of
        integrations after the first; offsets of the first and of the last frame; 390 Hz pick-up.
    bad_pixels : float
        Fraction of dead, hot, unstable and uncalibrated pixels.
    sound_border : float
        Reference pixels are never bad (0 or 1).
    persistence : float
        Traps that catch charge in the exposures before (`MockExposure.after`) and release it into this one: their
        density, relative to that of the trapdensity reference of a detector without this effect.
    sunken : float
        Part of the pedestal that is missing, so that the converter has nothing to count in dark pixels.
    """

    photon_noise: float = 0.0
    read_noise: float = 0.0
    reset_noise: float = 0.0
    bias: float = 0.0
    dark_current: float = 0.0
    nonlinearity: float = 0.0
    saturation: float = 0.0
    charge_spill: float = 0.0
    cosmic_rays: float = 0.0
    cosmic_ray_energy: float = 1.0
    snowballs: float = 0.0
    showers: float = 0.0
    ipc: float = 0.0
    gain_structure: float = 0.0
    amplifier_offsets: float = 0.0
    odd_even_columns: float = 0.0
    row_noise: float = 0.0
    picture_frame: float = 0.0
    odd_even_rows: float = 0.0
    reset_anomaly: float = 0.0
    rscd: float = 0.0
    first_frame: float = 0.0
    last_frame: float = 0.0
    emi: float = 0.0
    bad_pixels: float = 0.0
    sound_border: float = 0.0
    persistence: float = 0.0
    sunken: float = 0.0

    def __post_init__(self):
        """Refuse strengths that mean nothing."""
        negative = [name for name, value in dataclasses.asdict(self).items() if value < 0]
        if negative:
            raise ValueError(f"the strength of an effect is 0 (off) or more; negative: {negative}")

    @classmethod
    def nominal(cls, instrument, **changes):
        """Everything that a flight exposure of `instrument` shows, at nominal strength.

        IPC and the picture frame are left out: their corrections are off by default in the pipeline, so with them
        the truth would not come back.
        """
        common = {
            "photon_noise", "read_noise", "reset_noise", "bias", "dark_current", "nonlinearity", "saturation",
            "charge_spill", "cosmic_rays", "gain_structure", "bad_pixels",
        }  # fmt: skip
        if instrument == "MIRI":
            own = {"odd_even_rows", "reset_anomaly", "rscd", "first_frame", "last_frame", "emi", "showers"}
        else:
            own = {"amplifier_offsets", "odd_even_columns", "row_noise", "snowballs"}
        return cls(**{**dict.fromkeys(common | own, 1.0), **changes})

    def but(self, **changes):
        """Return a copy with other strengths of some effects."""
        return dataclasses.replace(self, **changes)

    def fixed_pattern(self):
        """Strengths that the reference files must agree with, hence equal for all users of a reference."""
        names = (
            "bias", "dark_current", "nonlinearity", "saturation", "ipc", "gain_structure", "reset_anomaly",
            "rscd", "bad_pixels", "sound_border", "read_noise", "persistence",
        )  # fmt: skip
        return tuple(getattr(self, name) for name in names)

    def to_json(self):
        """Return the strengths as one JSON object."""
        return json.dumps(dataclasses.asdict(self))
