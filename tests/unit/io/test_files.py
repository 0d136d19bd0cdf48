import io
import os

import asdf
import numpy as np
import pytest
from astropy.io import fits

from rampflow.detector import dq, subarray
from rampflow.detector.multistripe import Stripes
from rampflow.io import files, keywords, layout, trees
from rampflow.io.references import Reference


@pytest.fixture
def ramp_path(tmp_path):
    rng = np.random.default_rng(1)
    hdus = fits.HDUList([fits.PrimaryHDU()])
    hdus[0].header["NFRAMES"] = 4
    hdus.append(fits.ImageHDU(rng.integers(0, 65535, (2, 3, 4, 5), dtype=np.uint16), name="SCI"))
    hdus.append(fits.ImageHDU(rng.integers(0, 2**32, (4, 5), dtype=np.uint32), name="PIXELDQ"))
    hdus.append(fits.ImageHDU(rng.normal(size=(2, 4, 5)), name="F8"))
    table = np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")])
    hdus.append(fits.BinTableHDU(table, name="GROUP"))
    path = tmp_path / "x_uncal.fits"
    hdus.writeto(path)
    return path


@pytest.mark.parametrize(
    "index",
    [
        (),
        (1,),
        (0, 2),
        (1, -1),
        (-2,),
        (0, slice(1, 3)),
        (slice(None), slice(None), slice(1, 3)),
        (1, slice(0, 2), slice(2, 4), slice(1, 2)),
    ],
)
def test_a_piece_is_what_astropy_reads(ramp_path, index):
    with files.Product(ramp_path) as product:
        piece = product["SCI"].read(*index)
    expected = fits.getdata(ramp_path, "SCI")[index]
    assert piece.dtype == np.uint16
    np.testing.assert_array_equal(piece, expected)


def test_unsigned_32_bit_flags_and_doubles_are_read_natively(ramp_path):
    with files.Product(ramp_path) as product:
        np.testing.assert_array_equal(product["PIXELDQ"].read(), fits.getdata(ramp_path, "PIXELDQ"))
        values = product["F8"].read(1)
    assert values.dtype == np.dtype("f8") and values.dtype.isnative
    np.testing.assert_array_equal(values, fits.getdata(ramp_path, "F8")[1])


def test_whole_scales_do_not_wrap(tmp_path):
    hdu = fits.ImageHDU(np.array([[30000, -30000]], np.int16), name="SCI")
    hdu.header["BSCALE"], hdu.header["BZERO"] = 4, 2**40
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "x.fits")
    with files.Product(tmp_path / "x.fits") as product:
        header = product.hdu("SCI").header
        values = product["SCI"].read()
    assert (header["BSCALE"], header["BZERO"]) == (4, 2**40)
    np.testing.assert_array_equal(values, np.array([[30000, -30000]]) * 4.0 + 2.0**40)


def test_missing_file_and_extension_are_named(ramp_path, tmp_path):
    with pytest.raises(files.FileProblem, match="nowhere.fits: cannot be opened"):
        files.Product(tmp_path / "nowhere.fits")
    with (
        files.Product(ramp_path) as product,
        pytest.raises(files.FileProblem, match="no extension ERR; it has SCI"),
    ):
        product["ERR"]


def test_truncated_file_is_refused_with_the_extension_that_is_cut(ramp_path):
    with open(ramp_path, "r+b") as stream:
        stream.truncate(ramp_path.stat().st_size - 2880)
    with pytest.raises(files.FileProblem, match="truncated: 23040 bytes, where GROUP ends at 23052"):
        files.Product(ramp_path)


def test_a_file_that_is_not_fits_is_refused(tmp_path):
    path = tmp_path / "x.fits"
    path.write_text("hello")
    with pytest.raises(files.FileProblem, match="not a FITS file"):
        files.Product(path)


def new_product(tmp_path, source):
    plans = [
        layout.image("SCI", (2, 3, 4, 5), np.float32),
        layout.image("PIXELDQ", (4, 5), np.uint32),
        layout.image("GROUPDQ", (2, 3, 4, 5), np.uint8),
        layout.copy_of(source, "GROUP"),
    ]
    return layout.NewProduct(tmp_path / "x_step.fits", source.header.copy(), plans)


def test_a_product_written_in_pieces_is_read_back_by_astropy(ramp_path, tmp_path):
    rng = np.random.default_rng(2)
    sci = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    flags = rng.integers(0, 2**32, (4, 5), dtype=np.uint32)
    with files.Product(ramp_path) as source:
        new = new_product(tmp_path, source)
        for integration in range(2):
            for rows in (slice(0, 1), slice(1, 4)):
                new["SCI"].write(sci[integration, :, rows], integration, slice(None), rows)
        new["PIXELDQ"].write(flags.copy())
        assert not (tmp_path / "x_step.fits").exists()
        new.commit()
    with fits.open(tmp_path / "x_step.fits") as hdus:
        hdus.verify("exception")
        np.testing.assert_array_equal(hdus["SCI"].data, sci)
        np.testing.assert_array_equal(hdus["PIXELDQ"].data, flags)
        assert not hdus["GROUPDQ"].data.any()
        assert hdus["GROUP"].data["b"][0] == 2.5
    assert [p.name for p in tmp_path.iterdir() if ".part" in p.name] == []


def test_a_discarded_product_leaves_nothing(ramp_path, tmp_path):
    with files.Product(ramp_path) as source:
        new_product(tmp_path, source).discard()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x_uncal.fits"]


def test_a_piece_of_the_wrong_shape_is_refused(ramp_path, tmp_path):
    with files.Product(ramp_path) as source:
        new = new_product(tmp_path, source)
        with pytest.raises(ValueError, match=r"shape \(4, 4\) does not fit where \(4, 5\) is due"):
            new["PIXELDQ"].write(np.zeros((4, 4), np.uint32))
        new.discard()


def test_keywords_join_their_kind():
    header = fits.Header()
    for key, value in (("S_DQINIT", "COMPLETE"), ("NFRAMES", 4), ("S_SATURA", "COMPLETE")):
        keywords.set_keyword(header, key, value)
    keys = [k for k in header if k]
    assert keys == ["S_DQINIT", "S_SATURA", "NFRAMES"]
    keywords.set_keyword(header, "S_DQINIT", "SKIPPED")
    assert header["S_DQINIT"] == "SKIPPED" and header.count("S_DQINIT") == 1


def reference(tmp_path, *, start=(1, 1), shape=(8, 10), flags=None, dq_def=None, keywords=True, name="ref.fits"):
    primary = fits.PrimaryHDU()
    if keywords:
        primary.header["SUBSTRT1"], primary.header["SUBSTRT2"] = start
        primary.header["SUBSIZE1"], primary.header["SUBSIZE2"] = shape[1], shape[0]
    hdus = fits.HDUList(
        [primary, fits.ImageHDU(np.arange(np.prod(shape), dtype=np.float32).reshape(shape), name="SCI")]
    )
    if flags is not None:
        hdus.append(fits.ImageHDU(flags, name="DQ"))
    if dq_def is not None:
        columns = [("BIT", "i4"), ("VALUE", "i8"), ("NAME", "S40"), ("DESCRIPTION", "S40")]
        hdus.append(fits.BinTableHDU(np.array(dq_def, dtype=columns), name="DQ_DEF"))
    path = tmp_path / name
    hdus.writeto(path)
    return path


def test_a_reference_is_cut_to_the_exposure(tmp_path):
    path = reference(tmp_path, start=(3, 2))
    cut = Reference(path, subarray.Window(ystart=3, xstart=4, ny=2, nx=3)).read()
    # Reference pixel (0, 0) is detector row 1, column 2 counted from 0.
    np.testing.assert_array_equal(cut, fits.getdata(path, "SCI")[2:4, 2:5])


def test_of_a_reference_that_is_not_cut_rows_are_read_by_themselves(tmp_path):
    path = reference(tmp_path)
    np.testing.assert_array_equal(Reference(path).read("SCI", slice(2, 4)), fits.getdata(path, "SCI")[2:4])


# Detector lines 0 and 3-4 read twice over (4 x 6 pixels), lines upwards in the science frame.
TWICE = {"MSTR_RD1": 1, "MSTR_SK1": 2, "MSTR_RD2": 2, "MSTR_SK2": 0, "MSTR_RPT": 1, "MSTR_ILV": 0}
# Lines 0-1 and, one after the other, 2-3, 4-5 and 6-7.
THREE = {"MSTR_RD1": 2, "MSTR_SK1": 0, "MSTR_RD2": 2, "MSTR_SK2": 0, "MSTR_RPT": 1, "MSTR_ILV": 1}
THREE |= {"SSTR_STP": 2, "SSTR_NST": 3}


def striped(keys, axes, window, integrations=3):
    keys = keys | dict(zip(("FASTAXIS", "SLOWAXIS"), axes, strict=True))
    keys |= {"SUBSTRT1": window.xstart + 1, "SUBSTRT2": window.ystart + 1}
    return window.split(Stripes.of(keys, (integrations, 1, window.ny, window.nx)))


def test_a_reference_is_rebuilt_stripe_by_stripe(tmp_path):
    path = reference(tmp_path)
    rows = fits.getdata(path, "SCI")
    window = striped(TWICE, (-1, 2), subarray.Window(0, 2, 6, 5))
    rebuilt = Reference(path, window).read()
    np.testing.assert_array_equal(rebuilt, rows[[0, 3, 4, 0, 3, 4], 2:7])
    assert window.shape == (6, 5) and [list(place) for place in window.places] == [[0, 3, 4, 0, 3, 4], [2, 3, 4, 5, 6]]


def test_lines_that_are_columns_or_run_downwards_are_rebuilt_in_the_science_frame(tmp_path):
    primary = fits.PrimaryHDU()
    columns = np.arange(4 * 2048, dtype=np.float32).reshape(4, 2048)
    for key, value in {"SUBSTRT1": 1, "SUBSTRT2": 11, "SUBSIZE1": 2048, "SUBSIZE2": 4}.items():
        primary.header[key] = value
    path = tmp_path / "ref.fits"
    fits.HDUList([primary, fits.ImageHDU(columns, name="SCI")]).writeto(path)
    # NRS1: line n is column n. NIS: line 0 is the last column, and frames begin with the line read last.
    rebuilt = Reference(path, striped(TWICE, (2, 1), subarray.Window(11, 0, 2, 6))).read()
    np.testing.assert_array_equal(rebuilt, columns[1:3, [0, 3, 4, 0, 3, 4]])
    rebuilt = Reference(path, striped(TWICE, (-2, -1), subarray.Window(11, 0, 2, 6))).read()
    np.testing.assert_array_equal(rebuilt, columns[1:3, [2043, 2044, 2047, 2043, 2044, 2047]])


def test_a_reference_for_superstripes_has_an_image_of_each_position(tmp_path):
    flags = np.arange(80, dtype=np.uint32).reshape(8, 10)
    path = reference(tmp_path, flags=flags)
    rows, lines = fits.getdata(path, "SCI"), [[0, 1, 2, 3], [0, 1, 4, 5], [0, 1, 6, 7]]
    window = striped(THREE, (-1, 2), subarray.Window(0, 0, 4, 10))
    opened = Reference(path, window)
    np.testing.assert_array_equal(opened.read(), rows[lines])
    np.testing.assert_array_equal(opened.read_dq(), flags[lines])
    np.testing.assert_array_equal(
        Reference(reference(tmp_path, name="plain.fits"), window).read_dq(), np.zeros((3, 4, 10))
    )


def test_a_reference_made_from_such_exposures_is_taken_as_it_is(tmp_path):
    path = reference(tmp_path, shape=(6, 5), start=(3, 1))
    window = striped(TWICE, (-1, 2), subarray.Window(0, 2, 6, 5))
    np.testing.assert_array_equal(Reference(path, window).read(), fits.getdata(path, "SCI"))
    # For superstripes there is no such thing: every position needs its own.
    path = reference(tmp_path, shape=(4, 10), name="small.fits")
    with pytest.raises(files.FileProblem, match="covers rows 1-4, .* needs rows 5-6"):
        Reference(path, striped(THREE, (-1, 2), subarray.Window(0, 0, 4, 10))).read()


def test_a_frame_is_made_of_rectangles_of_the_detector():
    window = striped(TWICE, (-1, 2), subarray.Window(0, 2, 6, 5))
    line, stripe = subarray.Window(0, 2, 1, 5), subarray.Window(3, 2, 2, 5)
    every = slice(0, 5)
    cuts = [(slice(0, 1), every), (slice(1, 3), every), (slice(3, 4), every), (slice(4, 6), every)]
    assert window.blocks == [(*cut, piece) for cut, piece in zip(cuts, [line, stripe, line, stripe], strict=True)]
    assert subarray.Window(1, 2, 3, 4).blocks == [(slice(0, 3), slice(0, 4), subarray.Window(1, 2, 3, 4))]
    positions = striped(THREE, (-1, 2), subarray.Window(0, 0, 4, 10)).blocks
    assert [[piece.ystart for _, _, piece in blocks] for blocks in positions] == [[0], [0, 4], [0, 6]]


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.float64])
def test_values_of_a_reference_are_in_single_precision_whatever_the_file_holds(dtype, tmp_path):
    path = reference(tmp_path)
    with fits.open(path, mode="update") as hdus:
        hdus["SCI"].data = hdus["SCI"].data.astype(dtype)
    values = Reference(path, subarray.Window(ystart=1, xstart=2, ny=2, nx=3)).read()
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, [[12, 13, 14], [22, 23, 24]])


def test_a_reference_that_does_not_cover_the_exposure_is_refused(tmp_path):
    path = reference(tmp_path)
    with pytest.raises(files.FileProblem, match="covers rows 1-8, columns 1-10 .* needs rows 8-9, columns 1-2"):
        Reference(path, subarray.Window(ystart=7, xstart=0, ny=2, nx=2)).read()


def test_a_subarray_reference_without_its_place_is_refused(tmp_path):
    path = reference(tmp_path, keywords=False)
    with pytest.raises(files.FileProblem, match="not full frame"):
        Reference(path, subarray.Window(0, 0, 2, 2)).read()


def test_reference_flags_are_translated_by_name_and_unknown_names_dropped(tmp_path):
    flags = np.array([[0, 1, 2], [4, 3, 7]], np.uint32)
    path = reference(
        tmp_path,
        shape=(2, 3),
        flags=flags,
        dq_def=[(0, 1, "HOT", ""), (1, 2, "DO_NOT_USE", ""), (2, 4, "NO_SUCH_NAME", "")],
    )
    translated = Reference(path, subarray.Window(0, 0, 2, 3)).read_dq()
    expected = [[0, dq.HOT, dq.DO_NOT_USE], [0, dq.HOT | dq.DO_NOT_USE, dq.HOT | dq.DO_NOT_USE]]
    np.testing.assert_array_equal(translated, expected)


def test_reference_flags_without_a_table_are_standard_bits(tmp_path):
    flags = np.array([[0, 1, 1 << 31]], np.uint32)
    path = reference(tmp_path, shape=(1, 3), flags=flags)
    np.testing.assert_array_equal(Reference(path, subarray.Window(0, 0, 1, 3)).read_dq(), flags)


def test_a_reference_without_flags_has_none_set(tmp_path):
    path = reference(tmp_path)
    assert not Reference(path, subarray.Window(0, 0, 2, 2)).read_dq().any()


def test_the_first_image_may_be_anywhere_in_a_file(ramp_path, tmp_path):
    with files.Product(ramp_path) as product:
        np.testing.assert_array_equal(product.first_image().read(), fits.getdata(ramp_path, "SCI"))
    path = tmp_path / "primary.fits"
    fits.PrimaryHDU(np.arange(6, dtype=np.int32).reshape(2, 3)).writeto(path)
    with files.Product(path) as product:
        assert product.first_image().read().tolist() == [[0, 1, 2], [3, 4, 5]]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(np.zeros(2, [("a", "i4")]))]).writeto(tmp_path / "none.fits")
    with files.Product(tmp_path / "none.fits") as product, pytest.raises(files.FileProblem, match="no image in it"):
        product.first_image()


# --- times of groups, which have no keyword


def write_tree(path, tree=None):
    """A product with a tree of metadata beside its arrays, or without any."""
    with_tree = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((1, 3, 2, 2), np.float32), name="SCI")])
    if tree is not None:
        content = io.BytesIO()
        asdf.AsdfFile(tree).write_to(content)
        payload = np.frombuffer(content.getvalue(), np.uint8)[np.newaxis]
        column = fits.Column("ASDF_METADATA", f"{payload.size}B", array=payload)
        with_tree.append(fits.BinTableHDU.from_columns([column], name="ASDF"))
    with_tree.writeto(path)
    return path


def carried(source, target, **options):
    """Write a product that has nothing but the tree of another; return its times of three groups, and the tree."""
    with files.Product(source) as product:
        plan = trees.metadata_tree(product, **options)
        layout.NewProduct(target, fits.Header([("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0)]), [plan]).commit()
    with files.Product(target) as product:
        times = trees.read_times(product, 3)
    with fits.open(target) as hdus, asdf.open(io.BytesIO(hdus["ASDF"].data.tobytes())) as content:
        return times, content.tree["meta"]


TIMES = [[0.1], [0.2], [0.1 + 0.2]]


@pytest.mark.parametrize("tree", [None, {}, {"meta": {"exposure": {"nints": 3, "readpatt": "RAPID"}, "x": [1, 2]}}])
def test_times_of_groups_are_carried_in_the_tree(tmp_path, tree):
    source = write_tree(tmp_path / "a.fits", tree)
    times, meta = carried(source, tmp_path / "b.fits", read_times=TIMES)
    assert times == meta["exposure"].pop("read_times") == TIMES  # to the last bit
    known = (tree or {}).get("meta", {"exposure": {}})
    assert meta["exposure"] == known["exposure"] and meta.get("x") == known.get("x")
    # The next product has them, too, unless they are taken out.
    assert carried(tmp_path / "b.fits", tmp_path / "c.fits")[0] == TIMES
    times, meta = carried(tmp_path / "b.fits", tmp_path / "d.fits", read_times=[])
    assert times is None and meta["exposure"] == known["exposure"]


def test_a_product_may_have_no_times(tmp_path):
    for name, tree in (("a", None), ("b", {}), ("c", {"meta": {"exposure": {"read_times": []}}})):
        with files.Product(write_tree(tmp_path / f"{name}.fits", tree)) as product:
            assert trees.read_times(product, 3) is None


def test_times_of_other_groups_are_refused(tmp_path):
    tree = {"meta": {"exposure": {"read_times": TIMES}}}
    path, message = write_tree(tmp_path / "a.fits", tree), r"a.fits: .*read_times is of 3 groups where there are 4"
    with files.Product(path) as product, pytest.raises(files.FileProblem, match=message):
        trees.read_times(product, 4)


def test_sums_of_another_file_are_left_out_of_a_product(tmp_path):
    data = np.arange(12, dtype=np.int16).reshape(3, 4)
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(data, name="SCI"), fits.ImageHDU(data, name="OTHER")]
    fits.HDUList(hdus).writeto(tmp_path / "raw.fits", checksum=True)
    with files.Product(tmp_path / "raw.fits") as source:
        assert "CHECKSUM" in source.header and "DATASUM" in source.hdu("OTHER").header
        layout.copied(source, tmp_path / "copy.fits", source.header.copy()).commit()
        assert "CHECKSUM" in source.hdu("OTHER").header
    with fits.open(tmp_path / "copy.fits", checksum=True) as product:
        assert not any(key in hdu.header for hdu in product for key in ("CHECKSUM", "DATASUM"))
        np.testing.assert_array_equal(product["OTHER"].data, data)


def complete(tmp_path, name="one_ramp_fit.fits"):
    header = fits.Header()
    header["FILENAME"] = (name, "Name of the file")
    fits.HDUList([fits.PrimaryHDU(header=header), fits.ImageHDU(np.arange(6.0), name="SCI")]).writeto(tmp_path / name)
    return tmp_path / name


def test_a_second_name_is_the_same_file_and_its_header_has_it(tmp_path):
    path = complete(tmp_path)
    with files.Product(path) as source:
        assert layout.shared(source, tmp_path / "one_rate.fits", source.header.copy())
    assert (tmp_path / "one_rate.fits").samefile(path) and not list(tmp_path.glob(".*"))
    with fits.open(tmp_path / "one_rate.fits") as product:
        assert product[0].header["FILENAME"] == "one_rate.fits"
        np.testing.assert_array_equal(product["SCI"].data, np.arange(6.0))


@pytest.mark.parametrize("why", ["no such names", "another name", "a link", "no room"])
def test_what_cannot_have_a_second_name_stays_as_it_is(tmp_path, monkeypatch, why):
    path = complete(tmp_path)
    if why == "no such names":

        def refuse(*_):
            raise PermissionError("not on this file system")

        monkeypatch.setattr(layout.os, "link", refuse)
    elif why == "another name":
        (tmp_path / "snapshot.fits").hardlink_to(path)
    elif why == "a link":
        path.rename(tmp_path / "elsewhere.fits")
        path.symlink_to("elsewhere.fits")
    before = path.read_bytes()
    with files.Product(path) as source:
        header = source.header.copy()
        for number in range(40 if why == "no room" else 0):
            header[f"KEY{number}"] = number
        assert not layout.shared(source, tmp_path / "one_rate.fits", header)
    assert path.read_bytes() == before and not (tmp_path / "one_rate.fits").exists()
    assert not list(tmp_path.glob(".*"))


def test_arrays_that_will_be_written_are_not_copied(tmp_path):
    path = complete(tmp_path)
    with files.Product(path) as source:
        new = layout.copied(source, tmp_path / "new.fits", source.header.copy(), ("SCI",))
        assert not new["SCI"].read().any()
        new["SCI"].write(np.arange(6.0) * 2)
        new.commit()
    np.testing.assert_array_equal(fits.getdata(tmp_path / "new.fits", "SCI"), np.arange(6.0) * 2)


@pytest.mark.parametrize(("rows", "aligned"), [(1 << 20, True), (1 << 10, False)])
def test_large_arrays_that_are_carried_begin_where_files_can_share_them(tmp_path, rows, aligned):
    plans = [
        layout.image("SCI", (3, rows, 8), np.float32, carried=True),
        layout.image("PIXELDQ", (8, 8), np.uint32, carried=True),
        layout.image("GROUPDQ", (5, rows, 8), np.uint8, carried=True),
    ]
    new = layout.NewProduct(tmp_path / "a.fits", fits.PrimaryHDU().header, plans)
    new["SCI"].write(np.full((1, 8), 7, np.float32), 2, slice(rows - 1, rows))
    new.commit()
    with files.Product(tmp_path / "a.fits") as product:
        places = {name: product.hdu(name).offset % 4096 == 0 for name in ("SCI", "GROUPDQ")}
        # What moves them is no part of what the header says.
        assert places == dict.fromkeys(places, aligned) and "" not in product.hdu("SCI").header
        assert product["SCI"].read(2, slice(rows - 1, rows)).tolist() == [[7.0] * 8]
        layout.copied(product, tmp_path / "b.fits", product.header.copy()).commit()
    with fits.open(tmp_path / "a.fits", memmap=True) as read:
        assert read["SCI"].data.shape == (3, rows, 8) and read["SCI"].data[2, -1, -1] == 7
    with files.Product(tmp_path / "b.fits") as copy:
        assert (copy.hdu("SCI").offset % 4096 == 0) is aligned and copy["SCI"].read(2, rows - 1, 7) == 7


def test_what_a_file_system_shares_in_part_is_copied_whole(tmp_path, monkeypatch):
    data = bytes(range(256)) * 40
    (tmp_path / "a").write_bytes(data)
    asked = []

    def share(source, target, size, source_offset, target_offset):
        """Take whole blocks, as a file system that shares them does, and refuse the rest."""
        asked.append(size)
        if (source_offset | target_offset) % 4096 or size < 4096:
            raise OSError("not on this file system")
        size -= size % 4096
        return os.pwrite(target, os.pread(source, size, source_offset), target_offset)

    monkeypatch.setattr(files.os, "copy_file_range", share)
    with open(tmp_path / "a", "rb") as source, open(tmp_path / "b", "wb") as target:
        files.copy_range(source.fileno(), target.fileno(), 0, 0, len(data))
    assert (tmp_path / "b").read_bytes() == data and asked == [10240, 2048]
