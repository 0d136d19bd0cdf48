"""Subtract what traps release into the exposure, or flag groups after their pixel has saturated."""

from rampflow.warmstart.client import handoff

handoff()

from rampflow.drivers.persistence import Carried
from rampflow.steps import persistence

with Carried(snakemake) as step:
    if step.parameters["algorithm"] == "traps":
        trapdensity, persat, trappars = step.references("trapdensity", "persat", "trappars", uncut=("trappars",))
        families = persistence.Families.of(trappars.table("TRAPPARS"))
        density = persistence.usable_density(trapdensity.read(), trapdensity.read_dq())
        level, blind = persistence.usable_saturation(persat.read(), persat.read_dq())
        filled = step.traps(trapdensity, families)
        step.subtract(
            along={"filled": filled, "density": density, "level": level, "blind": blind},
            families=families,
            timing=step.timing(),
            **step.options("flag_pers_cutoff", "save_persistence"),
        )
    else:
        persistence.check_window(step.parameters["persistence_time"])
        step.flag(
            persistence.flag_windows,
            **step.options("persistence_time", "dn_threshold", "persistence_dnu"),
        )
