import numpy as np
import pytest
from astropy.io import fits
from stdatamodels.jwst.datamodels import dqflags

from rampflow.detector import dq
from rampflow.io.references import Reference


def test_bits_have_the_names_that_jwst_gives_them():
    expected = {name: bit for name, bit in dqflags.pixel.items() if name != "GOOD"}
    assert expected == dq.MNEMONICS
    groups = {name: bit for name, bit in dqflags.group.items() if name != "GOOD"}
    assert groups.items() <= dq.MNEMONICS.items() and max(groups.values()) < 256


def test_references_may_use_every_name_and_the_former_one_of_bit_8():
    assert dq.REFERENCE_NAMES.items() - dq.MNEMONICS.items() == {("UNRELIABLE_ERROR", 256)}


@pytest.mark.parametrize(("name", "bit"), [("RESERVED", 256), ("UNRELIABLE_ERROR", 256), ("HOT", 2048), ("NOBODYS", 0)])
def test_flags_of_a_reference_are_translated_by_their_names(tmp_path, name, bit):
    table = np.array([(0, 1, name, "")], [("BIT", "i4"), ("VALUE", "i4"), ("NAME", "U40"), ("DESCRIPTION", "U8")])
    flags = fits.ImageHDU(np.array([[0, 1], [1, 0]], np.uint32), name="DQ")
    path = tmp_path / "mask.fits"
    fits.HDUList([fits.PrimaryHDU(), flags, fits.BinTableHDU(table, name="DQ_DEF")]).writeto(path)
    reference = Reference(path)
    try:
        assert reference.read_dq().tolist() == [[0, bit], [bit, 0]]
    finally:
        reference.close()
