import asdf
import numpy as np
import pytest
from astropy.io import fits
from stdatamodels.jwst import datamodels

from rampflow.detector import dq, irs2
from rampflow.mock import Effects, MockExposure, Rectangle, crds_cache, references, write_references
from rampflow.mock import detector as det
from rampflow.mock.configurations import full_frame
from rampflow.mock.crds_rules import ASDF_TYPES
from rampflow.mock.odd_references import SHARE, make_odd
from rampflow.mock.scene import Scene, render
from rampflow.mock.shutters import write_shutters
from rampflow.steps.scene_mask.soss import traces

WINDOW = Rectangle(1, 101, 32, 24)
EVERYTHING = Effects.nominal("NIRCAM", bad_pixels=100.0)


def exposure(detector="NRCB1", readpatt="SHALLOW4", ngroups=4, nints=1, **more):
    return MockExposure(detector, readpatt, ngroups, nints, **{"window": WINDOW, "effects": EVERYTHING, **more})


def miri(ngroups, **more):
    return exposure("MIRIMAGE", "FASTR1", ngroups, **{"window": Rectangle(1, 779, 32, 24), **more})


def written(tmp_path, reftype, of, window=WINDOW, **options):
    path = tmp_path / f"{reftype}.{'asdf' if reftype in ASDF_TYPES else 'fits'}"
    references.WRITERS[reftype](path, of, window, **options)
    return path


def test_mask_bits_have_numbers_of_their_own_and_names_that_the_field_translates(tmp_path):
    path = written(tmp_path, "mask", exposure())
    maps = det.maps("NRCB1", WINDOW, EVERYTHING)
    with fits.open(path) as hdus:
        table = {name: value for _, value, name, _ in hdus["DQ_DEF"].data}
        assert table["DO_NOT_USE"] != dq.DO_NOT_USE
        assert "ONLY_KNOWN_HERE" in table
    with datamodels.MaskModel(path) as model:
        assert np.array_equal(model.dq & dq.REFERENCE_PIXEL > 0, maps.reference)
        assert np.array_equal(model.dq & dq.DEAD > 0, maps.is_bad("dead") & ~maps.reference)
        assert maps.is_bad("dead").any()


def test_the_mask_of_fgs_has_standard_bits(tmp_path):
    with fits.open(written(tmp_path, "mask", exposure("GUIDER1", "FGS"))) as hdus:
        assert "DQ_DEF" not in hdus
        assert np.all(hdus["DQ"].data[:, :4] & dq.REFERENCE_PIXEL)


def test_references_hold_nan_where_they_do_not_know(tmp_path):
    maps = det.maps("NRCB1", WINDOW, EVERYTHING)
    for reftype, extension, kind in [
        ("superbias", "SCI", "nan_bias"),
        ("saturation", "SCI", "nan_saturation"),
        ("dark", "SCI", "nan_dark"),
        ("linearity", "COEFFS", "nan_linearity"),
    ]:
        values = fits.getdata(written(tmp_path, reftype, exposure()), extension)
        assert maps.is_bad(kind).any()
        assert np.array_equal(np.isnan(values).any(axis=tuple(range(values.ndim - 2))), maps.is_bad(kind))
    gain = fits.getdata(written(tmp_path, "gain", exposure()))
    assert np.array_equal(~(gain > 0), maps.is_bad("no_gain"))


def test_a_larger_window_holds_the_same_pixels(tmp_path):
    small = fits.getdata(written(tmp_path, "superbias", exposure()))
    larger = Rectangle(1, 90, 50, 60)
    path = written(tmp_path, "superbias", exposure(), larger)
    large = fits.getdata(path)[WINDOW.within(larger)]
    assert np.array_equal(small, large, equal_nan=True)
    header = fits.getheader(path)
    assert (header["SUBARRAY"], header["SUBSTRT2"], header["SUBSIZE1"]) == ("GENERIC", 90, 50)


def test_the_saturation_level_lies_below_the_full_well(tmp_path):
    level = fits.getdata(written(tmp_path, "saturation", exposure()))
    maps = det.maps("NRCB1", WINDOW, EVERYTHING)
    good = maps.bad == 0
    assert level[good] == pytest.approx(maps.bias[good] + 0.95 * maps.well[good], rel=1e-6)


def test_read_noise_is_that_of_a_difference_of_two_reads(tmp_path):
    noise = fits.getdata(written(tmp_path, "readnoise", exposure(effects=Effects(read_noise=1.0))))
    assert noise.mean() == pytest.approx(np.sqrt(2) * det.properties("NRCB1").read_noise, rel=0.02)


def test_the_nircam_dark_is_taken_frame_by_frame_and_averages_to_the_signal(tmp_path):
    of = exposure(effects=Effects(dark_current=1.0))
    path = written(tmp_path, "dark", of)
    header = fits.getheader(path)
    assert (header["NFRAMES"], header["GROUPGAP"], header["NGROUPS"]) == (1, 0, 21)
    maps = det.maps("NRCB1", WINDOW, of.effects)
    dark = fits.getdata(path)
    frame = 7
    expected = maps.dark * frame * of.tframe + det.settled(maps, "NIRCAM", 0, frame)
    assert dark[frame - 1] == pytest.approx(expected, rel=1e-5)
    assert fits.getdata(path, "AVDRKCUR") == pytest.approx(maps.dark)


def test_a_long_nircam_exposure_has_more_frames_than_its_dark(tmp_path):
    of = exposure(readpatt="DEEP8", ngroups=5)
    assert of.frames_per_integration > references.LONGEST_DARK
    assert fits.getheader(written(tmp_path, "dark", of))["NGROUPS"] == references.LONGEST_DARK


def test_the_miri_dark_has_a_plane_for_later_integrations(tmp_path):
    of = exposure("MIRIMAGE", "FASTR1", 5, 3, effects=Effects(dark_current=1.0))
    path = written(tmp_path, "dark", of)
    dark = fits.getdata(path)
    assert dark.shape == (2, 7, 24, 32)
    assert not np.array_equal(dark[0], dark[1])
    with datamodels.DarkMIRIModel(path) as model:
        assert model.dq.shape == (2, 1, 24, 32)


def test_another_scale_makes_another_dark(tmp_path):
    of = exposure(effects=Effects(dark_current=1.0))
    once = fits.getdata(written(tmp_path, "dark", of))
    twice = fits.getdata(written(tmp_path, "dark", of, scale=2.0))
    assert twice == pytest.approx(2 * once)


def test_the_reset_reference_holds_the_anomaly_of_three_integrations(tmp_path):
    of = exposure("MIRIMAGE", "FASTR1", 5, effects=Effects(reset_anomaly=1.0))
    values = fits.getdata(written(tmp_path, "reset", of))
    maps = det.maps("MIRIMAGE", WINDOW, of.effects)
    assert values.shape == (3, 5, 24, 32)
    assert values[2, 4] == pytest.approx(det.reset_level(maps, 9, 4))


def test_a_reset_reference_can_say_that_it_is_smaller(tmp_path):
    path = written(tmp_path, "reset", miri(6), nints=4, told=(1, 3))
    header = fits.getheader(path)
    assert (header["NINTS"], header["NGROUPS"]) == (1, 3)
    assert fits.getdata(path, "SCI").shape[:2] == (4, 6)


def test_a_dark_can_be_taken_in_another_pattern_and_tell_its_mean(tmp_path):
    path = written(tmp_path, "dark", miri(6), pattern=(2, 1, 5), nints=3, average="image")
    header = fits.getheader(path)
    assert [header[key] for key in ("NFRAMES", "GROUPGAP", "NGROUPS", "NINTS")] == [2, 1, 5, 3]
    assert fits.getdata(path, "SCI").shape[:2] == (3, 5)
    assert fits.getdata(path, "AVDRKCUR").shape == WINDOW.shape
    assert fits.getheader(written(tmp_path, "dark", miri(6), average="keyword"))["AVDRKCUR"] > 0


def test_a_linearity_polynomial_can_be_short_and_begin_with_a_constant(tmp_path):
    coefficients = fits.getdata(written(tmp_path, "linearity", exposure(), terms=3, constant=0.5), "COEFFS")
    assert coefficients.shape[0] == 3
    assert (coefficients[0] == 0.5).all()


def test_reference_pixels_can_be_broken(tmp_path):
    def unusable(broken):
        with fits.open(written(tmp_path, "mask", miri(3, effects=Effects()), broken=broken)) as hdus:
            value = next(row["VALUE"] for row in hdus["DQ_DEF"].data if row["NAME"] == "DO_NOT_USE")
            return (hdus["DQ"].data & value)[:, :4] != 0

    assert unusable(1.0).all()
    assert unusable(0.5).mean() == pytest.approx(0.5, abs=0.2)


def test_emi_waves_can_be_sampled_otherwise_and_be_more_than_the_data_have(tmp_path):
    with asdf.open(written(tmp_path, "emicorr", miri(5, subarray="SUB64"), samples=97, absent=(218.52,))) as tree:
        assert {len(wave["phase_amplitudes"]) for wave in tree["frequencies"].values()} == {97}
        assert "Hz219" in tree["subarray_cases"]["SUB64"]["freqs"]["FAST"]


def test_the_ipc_kernel_undoes_the_coupling_to_first_order(tmp_path):
    kernel = fits.getdata(written(tmp_path, "ipc", exposure(effects=Effects(ipc=1.0))))
    coupling = det.ipc_kernel(1.0)
    both = sum(kernel[j, i] * np.pad(coupling, 1)[2 - j : 5 - j, 2 - i : 5 - i] for j in range(3) for i in range(3))
    assert both == pytest.approx(np.pad([[1.0]], 1), abs=1e-3)
    assert kernel.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("first_integration", "columns"), [(False, 3), (True, 4)])
def test_the_rscd_table_comes_with_and_without_the_first_integration(tmp_path, first_integration, columns):
    of = exposure("MIRIMAGE", "FASTR1")
    path = written(tmp_path, "rscd", of, first_integration=first_integration)
    assert len(fits.getdata(path).columns) == columns
    with datamodels.RSCDModel(path) as model:
        assert "group_skip1" in model.rscd_group_skip_table.dtype.names


def test_the_inverse_linearity_leads_back_to_the_observed_signal(tmp_path):
    path = written(tmp_path, "linearity", exposure(), inverse=True)
    with datamodels.LinearityModel(path) as model:
        good = det.maps("NRCB1", WINDOW, EVERYTHING).bad == 0
        assert good.any()
        there, back = (np.asarray(a, float)[:, good] for a in (model.coeffs, fits.getdata(path, "INV_COEFFS")))
    for signal in (0.0, 1000.0, 20000.0):
        linear = sum(c * signal**k for k, c in enumerate(there))
        observed = sum(c * linear**k for k, c in enumerate(back))
        assert observed == pytest.approx(np.full(good.sum(), signal), rel=1e-5)
    with fits.open(written(tmp_path, "linearity", exposure())) as hdus:
        assert "INV_COEFFS" not in hdus


def test_a_long_miri_exposure_has_more_groups_than_its_reset_reference(tmp_path):
    of = exposure("MIRIMAGE", "FASTR1", 30, effects=Effects(reset_anomaly=1.0))
    values = fits.getdata(written(tmp_path, "reset", of))
    assert values.shape == (3, references.LONGEST_RESET, 24, 32)
    assert np.abs(values[0, -1]).max() < 0.25


def test_emi_waves_leave_out_a_frequency_that_every_frame_sees_alike(tmp_path):
    for subarray in ("SUB256", "SUB64"):
        references.emicorr(
            tmp_path / "emicorr.asdf", exposure("MIRIMAGE", "FASTR1", subarray=subarray, window=None), None
        )
    with datamodels.EmiModel(tmp_path / "emicorr.asdf") as model:
        cases = model.subarray_cases
        assert list(cases.SUB64.freqs.FAST) == ["Hz390", "Hz10"]
        assert list(cases.SUB256.freqs.FAST) == []
        assert (cases.SUB64.rowclocks, cases.SUB64.frameclocks) == (28, 8512)
        assert model.frequencies.Hz390.frequency == 390.625


def test_references_are_made_for_any_header_under_given_names(tmp_path):
    header = {
        "INSTRUME": "NIRISS", "DETECTOR": "NIS", "READPATT": "NISRAPID", "NGROUPS": 6, "NINTS": 5,
        "SUBARRAY": "SUB80", "SUBSTRT1": 1045, "SUBSTRT2": 1, "SUBSIZE1": 80, "SUBSIZE2": 80,
    }  # fmt: skip
    names = {
        "dark": "jwst_niriss_dark_0116.fits",
        "ipc": "jwst_niriss_ipc_0008.fits",
        "reset": "NOT FOUND n/a",
    }
    made = write_references(header, names, tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(p.name for p in made.values())
    assert fits.getdata(made["dark"]).shape == (8, 80, 80)
    with pytest.raises(ValueError, match=r"cannot make \['area'\]"):
        write_references(header, {"area": "a.fits"}, tmp_path)


def test_a_trap_density_covers_the_whole_detector(tmp_path):
    header = {
        "DETECTOR": "GUIDER1", "READPATT": "FGS", "NGROUPS": 2, "NINTS": 1,
        "SUBARRAY": "SUB32LL", "SUBSTRT1": 1969, "SUBSTRT2": 1969, "SUBSIZE1": 32, "SUBSIZE2": 32,
    }  # fmt: skip
    made = write_references(header, {"trapdensity": "a.fits"}, tmp_path)
    assert fits.getdata(made["trapdensity"]).shape == full_frame("GUIDER1").shape


def test_references_of_interleaved_frames_have_the_rows_of_the_reads():
    normal = irs2.normal_rows("NRS2")
    one = MockExposure("NRS2", "NRSIRS2RAPID", 2, effects=Effects.nominal("NIRSPEC"))
    assert one.shape == (1, 2, 3200, 2048) and one.noutputs == 5
    assert one.tframe == pytest.approx(14.58888)
    header = {keyword: value for keyword, _, value in one.header()}
    assert (header["NRS_NORM"], header["NRS_REF"], header["SUBSIZE2"]) == (16, 4, 2048)
    bias = det.interleaved_bias("NRS2", one.effects)
    assert not bias[normal].any() and bias[~normal].std() > 100


def test_the_mask_and_superbias_of_interleaved_frames(tmp_path):
    one = MockExposure("NRS1", "NRSIRS2", 1, effects=Effects.nominal("NIRSPEC"))
    normal = irs2.normal_rows("NRS1")
    with datamodels.MaskModel(written(tmp_path, "mask", one, one.window)) as model:
        assert model.dq.shape == (3200, 2048)
        assert (model.dq[~normal] & dq.REFERENCE_PIXEL).all()
        bad = (model.dq & dq.BAD_REF_PIXEL) > 0
        assert bad.any() and not bad[normal].any()
    with datamodels.SuperBiasModel(written(tmp_path, "superbias", one, one.window)) as model:
        expected = det.maps("NRS1", one.window, one.effects).bias
        unknown = np.isnan(model.data[normal])
        assert unknown.any()
        np.testing.assert_array_equal(model.data[normal][~unknown], expected[~unknown])


def test_interleaved_frames_are_whole():
    with pytest.raises(ValueError, match="reads whole frames only, not SUB512"):
        MockExposure("NRS1", "NRSIRS2", 1, subarray="SUB512")


def test_kernels_serve_all_detectors_of_the_instrument(tmp_path):
    with datamodels.SIRSKernelModel(written(tmp_path, "sirskernel", exposure())) as model:
        assert np.asarray(model.nrcb1.gamma).shape == np.asarray(model.nrcalong.zeta).shape == (4, 513)
        # The kernels sum to one, half for each side.
        assert model.nrca2.gamma[0][0] + model.nrca2.zeta[0][0] == 1


def odd(tmp_path, reftype, *names):
    """A reference before and after."""
    path = written(tmp_path, reftype, exposure())
    with fits.open(path, memmap=False) as hdus:
        before = fits.HDUList([hdu.copy() for hdu in hdus])
    make_odd(path, names)
    with fits.open(path, memmap=False) as hdus:
        return before, fits.HDUList([hdu.copy() for hdu in hdus])


@pytest.mark.parametrize(
    ("name", "extensions"),
    [("no_flags", ["SCI"]), ("standard_bits", ["SCI", "DQ"]), ("no_definitions", ["SCI", "DQ", "DQ_DEF"])],
)
def test_flags_can_be_absent_standard_or_without_definitions(name, extensions, tmp_path):
    _, after = odd(tmp_path, "saturation", name)
    assert [hdu.name for hdu in after[1:]] == extensions
    if name == "standard_bits":
        assert after["DQ"].data.dtype == np.uint32
        assert (after["DQ"].data & dq.NO_SAT_CHECK).any()
    if name == "no_definitions":
        assert len(after["DQ_DEF"].data) == 0


@pytest.mark.parametrize(
    ("name", "changed"),
    [("nan", np.isnan), ("zero", lambda values: values == 0), ("negative", lambda values: values < 0)],
)
def test_values_can_be_odd_anywhere(name, changed, tmp_path):
    before, after = odd(tmp_path, "readnoise", name)
    where = changed(after["SCI"].data)
    assert where.mean() == pytest.approx(SHARE, rel=0.8)
    assert np.array_equal(before["SCI"].data[~where], after["SCI"].data[~where])


def test_places_can_be_unknown_or_wrong_and_values_in_double_precision(tmp_path):
    assert "SUBSTRT1" not in odd(tmp_path, "dark", "nowhere")[1][0].header
    assert odd(tmp_path, "gain", "wrong_size")[1][0].header["SUBSIZE1"] == WINDOW.xsize + 7
    assert odd(tmp_path, "gain", "gain_factor")[1][0].header["GAINFACT"] == 1.5
    assert odd(tmp_path, "superbias", "integers")[1]["SCI"].data.dtype == ">i4"
    before, after = odd(tmp_path, "superbias", "doubles")
    assert after["SCI"].data.dtype == ">f8"
    assert np.array_equal(before["SCI"].data, after["SCI"].data, equal_nan=True)


def test_kernels_can_be_wide_or_differ_from_pixel_to_pixel(tmp_path):
    before, after = odd(tmp_path, "ipc", "wide_kernel")
    assert after["SCI"].data.shape == (5, 5)
    assert after["SCI"].data[1:-1, 1:-1] == pytest.approx(before["SCI"].data, abs=1e-3)
    _, after = odd(tmp_path, "ipc", "kernel_per_pixel")
    assert after["SCI"].data.shape == (3, 3, 2048, 2048)


def test_an_unknown_oddity_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no such oddity: .'nothing'.; known: .'doubles'"):
        odd(tmp_path, "gain", "nothing")


def test_the_picture_frame_has_a_level_and_a_scale_of_its_own(tmp_path):
    path = written(tmp_path, "pictureframe", exposure("NRS1", "NRSRAPID"), level=0.5, scale=0.01)
    with datamodels.PictureFrameModel(path) as model:
        assert model.meta.reftype == "PICTUREFRAME"
        np.testing.assert_allclose(model.data, 0.5 + 0.01 * det.picture_frame("NRS1", WINDOW), rtol=1e-6)


def soss(subarray="SUBSTRIP256", **more):
    scene = Scene(trace=600.0, fwhm=3.0, curvature=6.0)
    return MockExposure("NIS", "NISRAPID", 2, 2, subarray=subarray, exp_type="NIS_SOSS", scene=scene, **more)


@pytest.mark.parametrize("subarray", ["SUBSTRIP256", "SUBSTRIP96"])
def test_the_trace_of_soss_is_where_the_scene_has_its_spectrum(tmp_path, subarray):
    exposure = soss(subarray)
    path = written(tmp_path, "pastasoss", exposure)
    with datamodels.PastasossModel(path) as model:
        assert [trace.spectral_order for trace in model.traces] == [1, 2, 3]
        assert model.meta.exposure.type == "NIS_SOSS"
    with asdf.open(path) as file:
        (pupil,) = [value for key, _, value in exposure.header() if key == "PWCPOS"]
        trace = traces(file.tree, pupil, subarray=subarray)[0]
    _, sources = render(exposure.scene, exposure.window.shape, np.random.default_rng(1))
    columns = trace.columns.astype(int)
    brightest = np.argmax(sources, axis=0)[columns]
    assert np.abs(trace.rows - brightest).max() < 0.7
    assert np.all(np.diff(trace.wavelengths) < 0)
    assert 0.8 < trace.wavelengths.min() < trace.wavelengths.max() < 2.9


def test_the_sky_of_soss_and_its_wavelengths_are_what_their_models_hold(tmp_path):
    with datamodels.SossBkgModel(written(tmp_path, "bkg", soss())) as model:
        assert model.data.shape == (3, 256, 2048)
        assert np.nanmin(model.data[:, :, 720:]) > 1.5 * np.nanmax(model.data[:, :, :650])
    with datamodels.WavelengthrangeModel(written(tmp_path, "wavelengthrange", soss())) as model:
        assert [row[0] for row in model.wavelengthrange] == [1, 2, 3]


def test_soss_alone_has_references_of_its_traces(tmp_path):
    image = MockExposure("NIS", "NISRAPID", 2, 1, subarray="SUB64")
    crds_cache.build(tmp_path, [soss(), image])
    rule = (tmp_path / "mappings/jwst/jwst_niriss_pastasoss_9001.rmap").read_text()
    assert "('NIS_IMAGE',) : 'N/A'" in rule
    assert "jwst_niriss_pastasoss_9001.asdf" in rule


def nirspec(exp_type, **more):
    return MockExposure("NRS1", "NRSRAPID", 2, 1, exp_type=exp_type, aimed=(1024.0, 1024.0), **more)


@pytest.mark.parametrize(
    ("reftype", "model"),
    [
        ("camera", datamodels.CameraModel),
        ("chromcorr", datamodels.ChromCorrModel),
        ("collimator", datamodels.CollimatorModel),
        ("disperser", datamodels.DisperserModel),
        ("fore", datamodels.FOREModel),
        ("fpa", datamodels.FPAModel),
        ("ifufore", datamodels.IFUFOREModel),
        ("ifupost", datamodels.IFUPostModel),
        ("ifuslicer", datamodels.IFUSlicerModel),
        ("msa", datamodels.MSAModel),
        ("ote", datamodels.OTEModel),
        ("wavelengthrange", datamodels.WavelengthrangeModel),
    ],
)
def test_the_optics_of_nirspec_are_what_their_models_hold(tmp_path, reftype, model):
    with model(written(tmp_path, reftype, nirspec("NRS_IFU"))) as opened:
        assert opened.meta.reftype == reftype
        if reftype == "fpa":
            # A pixel is 18 um.
            assert opened.nrs1_model(1024.5, 1021.5) == pytest.approx((18e-6, -36e-6))
        if reftype == "msa":
            assert len(opened.Q5.data) == 5 and len(opened.Q1.data) == 365 * 171


def test_shutters_that_were_meant_to_be_open_are_named_beside_the_raw_file(tmp_path):
    exposure = nirspec("NRS_MSASPEC")
    path = write_shutters(exposure, tmp_path)
    assert path.name == dict((key, value) for key, _, value in exposure.header())["MSAMETFL"]
    with fits.open(path) as file:
        shutters = file["SHUTTER_INFO"].data
        assert len(shutters) == 9 and (shutters["primary_source"] == "Y").sum() == len(file["SOURCE_INFO"].data) == 4
    assert write_shutters(nirspec("NRS_IFU"), tmp_path) is None
