"""The products with count rates after the fit: rescaled, and given their final names."""

import numpy as np

from rampflow.io import files
from rampflow.jobs.step import Job, Step, log


class Rescale(Step):
    """A step on count rates: both products in, both out."""

    def open(self):
        """Open both products and resolve references and parameters."""
        super().open()
        self.sources += (files.Product(self.snakemake.input.rateints),)
        self.targets = []

    @property
    def _input(self):
        return self.snakemake.input.rate

    def _check_shape(self):
        if "ERR" not in self.source:
            raise files.FileProblem(f"{self.source.path}: not a product of ramp_fit (it has no ERR)")

    def images(self, function, *, names, **options):
        """Run a function over the images of both products, one integration at a time.

        Parameters
        ----------
        function : callable
            Called as ``function(*arrays, **options)`` with arrays of shape (rows, columns); returns as many.
        names : tuple of str
            Extensions read and written.
        """
        self._layout()
        for source, target in zip(self.sources, self.targets, strict=True):
            lead = source[names[0]].shape[:-2]

            def run(index, source=source, target=target):
                arrays = [source[name].read(*index) for name in names]
                for name, values in zip(names, function(*arrays, **options), strict=True):
                    target[name].write(values, *index)

            self._over([(run, index) for index in np.ndindex(lead)])

    def _layout(self):
        if self.targets:
            return
        output = self.snakemake.output
        self._stamp(output.rate)
        for source, path in zip(self.sources, (output.rate, output.rateints), strict=True):
            header = source.header.copy()
            for keyword in self._keywords:
                files.set_keyword(header, *keyword)
            header.add_history(self.note)
            self.targets.append(files.copied(source, path, header))

    def finish(self, skipped=None):
        """Write the keywords and give both products their names."""
        if skipped is not None:
            log.info("skipped: %s", skipped)
        self._layout()
        for target in self.targets:
            if skipped is not None:
                target.header[self.status_keyword] = "SKIPPED"
            target.commit()
        self._release()
        self._close()

    def discard(self):
        """Remove what was written so far."""
        for target in getattr(self, "targets", []):
            target.discard()
        self._close()


class Final(Job):
    """Products under their final names: copies whose FILENAME says so."""

    def finish(self, skipped=None):  # noqa: ARG002
        """Copy every input to the output of the same name."""
        for kind, path in self._reads():
            with files.Product(path) as source:
                files.copied(source, self.snakemake.output[kind], source.header.copy()).commit()
