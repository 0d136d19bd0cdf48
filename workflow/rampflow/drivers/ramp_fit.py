"""The fit of an exposure: a ramp in, the products with count rates out.

Between the script of ramp_fit and the functions of `steps.ramp_fit`.
"""

from pathlib import Path

import numpy as np

from rampflow.io import files
from rampflow.jobs.step import Step
from rampflow.steps import ramp_fit

#: Extensions of a rate product in file order: type, unit if it has one, and the name that the fit gives it.
ARRAYS = {
    "SCI": (np.float32, "DN/s", "slope"),
    "ERR": (np.float32, "DN/s", "err"),
    "DQ": (np.uint32, None, "dq"),
    "VAR_POISSON": (np.float32, None, "var_poisson"),
    "VAR_RNOISE": (np.float32, None, "var_rnoise"),
}


def is_ifu(header):
    """Whether the rate image of an exposure is that of an integral-field spectrograph."""
    kind = str(header.get("EXP_TYPE", "")).strip()
    return kind in ("NRS_IFU", "MIR_MRS") or (
        kind in ("NRS_AUTOWAVE", "NRS_LAMP") and str(header.get("OPMODE", "")).strip().upper() == "IFU"
    )


class Fit(Step):
    """The ramp fit of one exposure: a ramp in, count rates of the exposure and of each integration out."""

    def __init__(self, snakemake):
        super().__init__(snakemake)
        self.optional = []

    def fit_likely(self, images):
        """Fit by maximum likelihood; `images` as for `fit_lines`."""
        self.fit(
            ramp_fit.fit_likely,
            along=images | {"pixeldq": self.pixeldq},
            chisq=self.parameters["save_opt"],
            read_times=self.read_times,
            **self.needed("TFRAME", "NFRAMES", "GROUPGAP"),
            **self.options("firstgroup", "lastgroup", "flag_saturated", "flag_chisq_pvalue"),
        )

    def fit_lines(self, images):
        """Fit straight lines (OLS_C), and write the optional product where it is asked for.

        Parameters
        ----------
        images : dict of 2D `~numpy.ndarray`
            ``gain`` [electrons/DN], ``readnoise`` [DN], and ``dark_rate`` [electrons/s] or None.
        """
        limits = self.options("firstgroup", "lastgroup")
        rules = self.options("suppress_one_group", "ignore_persistence")
        planes = self.survey(ramp_fit.survey, reads=("GROUPDQ",), combine=ramp_fit.join, **rules, **limits)
        rules["groups"] = ramp_fit.choose_groups(planes, trim=self.instrument == "MIRI", **limits)
        common = self.needed("TFRAME", "NFRAMES", "TGROUP") | self.options("slope_weights")
        pixels = images | {"pixeldq": self.pixeldq}
        self.fit(ramp_fit.fit_ramps, along=pixels, **common, **rules, **self.options("flag_saturated"))
        if self.parameters["save_opt"]:
            common |= {"groupgap": self.keyword("GROUPGAP"), "dropped": self.keyword("DRPFRMS1", 0)}
            self.fit_optional(ramp_fit.count_segments, ramp_fit.fit_optional, along=images, rules=rules, **common)

    def fit(self, function, *, along, chisq=False, **options):
        """Run the fit over blocks of rows and write what it returns.

        Parameters
        ----------
        function : callable
            Called as ``function(sci, groupdq, **along, **options)``, arrays of shape (integrations, groups, rows,
            columns); returns ``(rate, rateints)``, each with the arrays of `ARRAYS` under the names given there, and
            maybe an image of chi-squared.
        along : dict of arrays
            Arrays whose last two axes are rows and columns, handed over cut to the block.
        chisq : bool
            Write chi-squared as ``<exposure>_likely_chisq.fits`` beside the rates.
        """
        self._layout()
        if chisq:
            image = files.image("SCI", self.shape[-2:], np.float32)
            self._add_optional("likely_chisq", "ImageModel", [image])

        def run(integrations, block, _):
            sci, groupdq, cut = self.read_ramps(integrations, block, along)
            rate, rateints, *more = function(sci, groupdq, **cut, **options)
            if chisq:
                self.optional[0]["SCI"].write(more[0], block)
            for name, (_, _, word) in ARRAYS.items():
                self.rate[name].write(getattr(rate, word), block)
                self.rateints[name].write(getattr(rateints, word), slice(None), block)

        self._over([(run, *where) for where in self.row_blocks()])

    def fit_optional(self, count, function, *, along, rules, **options):
        """Write the optional product, ``<exposure>_fitopt.fits`` beside the rates; call `fit` before.

        Parameters
        ----------
        count, function : callable
            `rampflow.steps.ramp_fit.count_segments` and `~rampflow.steps.ramp_fit.fit_optional`.
        along : dict of arrays
            As for `fit`.
        rules : dict
            What both functions need to know.
        """

        def most(integrations, block, _):
            _, groupdq, cut = self.read_ramps(integrations, block, {})
            return count(groupdq, **cut, **rules)

        blocks = self.row_blocks()
        counts = tuple(map(max, zip(*self._over([(most, *where) for where in blocks]), strict=True)))

        def run(integrations, block, _):
            sci, groupdq, cut = self.read_ramps(integrations, block, along)
            cut["slope"] = self.rateints["SCI"].read(integrations, block)
            found = function(sci, groupdq, **cut, counts=counts, **rules, **options)
            if not self.optional:
                shapes = {key: (*array.shape[:-2], *self.shape[-2:]) for key, array in found._asdict().items()}
                plans = [files.image(key.upper(), shape, np.float32) for key, shape in shapes.items()]
                self._add_optional("fitopt", "RampFitOutputModel", plans)
            for key, array in found._asdict().items():
                self.optional[0][key.upper()].write(array, *[slice(None)] * (array.ndim - 2), block)

        for where in blocks:
            run(*where)

    def _add_optional(self, suffix, model, plans):
        path = Path(self.snakemake.output.rate).with_name(f"{self.exposure}_{suffix}.fits")
        self.optional.append(files.product_beside(path, self.rate.header, model, plans))

    def set_gain_factor(self, header):
        """Take GAINFACT over from the gain reference, for gain_scale."""
        if header.get("GAINFACT") is not None:
            self.set("GAINFACT", header["GAINFACT"], "Gain factor of the exposure")

    def _layout(self):
        if self.target is not None:
            return
        self._stamp(self.snakemake.output.rate)
        nints, _, ny, nx = self.shape
        like = self.source.hdu("SCI").header
        # Times of groups are no business of a rate.
        tree = files.metadata_tree(self.source, read_times=None if self.read_times is None else [])
        tree = [tree] if tree is not None else []

        def images(shape):
            return [
                files.image(name, shape, kind, unit=unit, like=like if name == "SCI" else None)
                for name, (kind, unit, _) in ARRAYS.items()
            ]

        times = ("INT_TIMES", "INT_TIMES_STRIPE")
        times = [files.copy_of(self.source, name) for name in times if name in self.source]
        header = self.header.copy()
        header["DATAMODL"] = ("IFUImageModel" if is_ifu(header) else "ImageModel", "Type of data model")
        ints = self.header.copy()
        ints["DATAMODL"] = ("CubeModel", "Type of data model")
        output = self.snakemake.output
        for head, path in ((header, output.rate), (ints, output.rateints)):
            files.set_keyword(head, "FILENAME", Path(path).name, "Name of the file")
        self.rate = files.NewProduct(output.rate, header, images((ny, nx)) + tree)
        self.target = self.rate
        cube = images((nints, ny, nx))
        self.rateints = files.NewProduct(output.rateints, ints, cube[:3] + times + cube[3:] + tree)

    def finish(self, skipped=None):
        """Give both products their names."""
        if skipped is not None:
            raise files.FileProblem(f"ramp_fit cannot be skipped, there would be no count rates: {skipped}")
        for new in (self.rate, self.rateints, *self.optional):
            new.commit()
        self.also_written += [new.path for new in self.optional]
        self._release()
        self._close()

    def discard(self):
        """Remove what was written so far."""
        for new in (getattr(self, "rate", None), getattr(self, "rateints", None), *self.optional):
            if new is not None:
                new.discard()
        self._close()
