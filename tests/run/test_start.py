"""What a run says and does before its first job, through Snakemake itself."""

import os
import shutil

import psutil
import yaml
from fuzz.fits_bytes import uncal


def raw_of(programme, detector):
    (path,) = programme.folder.glob(f"data/*_{detector}_uncal.fits")
    return path


def test_braces_and_brackets_in_paths_are_no_wildcards(new_run, programme):
    run = new_run("nis")
    folder = run.folder / "a{exposure}[1] {b}{c,d+}"
    folder.mkdir()
    raw = raw_of(programme, "nis")
    shutil.copy(raw, folder)
    shutil.copy(raw, folder / "mask{exposure}.fits")
    steps = {"dq_init": {"user_supplied_dq": f"{folder.name}/mask{{exposure}}.fits"}}
    text = run("-n", "--printshellcmds", exposures=f"{folder.name}/{raw.name}", steps=steps)
    assert "dq_init" in text and "WildcardError" not in text
    root = raw.name.removesuffix("_uncal.fits")
    product = f"results/{root}/{root}_dq_init.fits"
    run(product, exposures=[f"{folder.name}/*_uncal.fits"], steps={})
    assert (run.folder / product).is_file()
    assert "Nothing to be done" in run("-n", product)


def test_home_folders_and_relative_paths_are_known_everywhere(new_run, programme):
    run = new_run("guider1")
    home, raw = run.folder / "home", raw_of(programme, "guider1")
    (home / "data").mkdir(parents=True)
    shutil.copy(raw, home / "data")
    (dark,) = programme.folder.glob("crds/references/jwst/fgs/*dark*")
    shutil.copy(dark, home / "dark.fits")
    os.symlink(programme.folder / "crds", home / "crds")
    crds = run.config["crds"] | {"path": "~/crds"}
    given = {"exposures": "~/data/*.fits", "results": "~/out", "references": {"dark": "~/dark.fits"}, "crds": crds}
    run("--until", "references", environment={"HOME": str(home)}, **given)
    root = raw.name.removesuffix("_uncal.fits")
    pointer = yaml.safe_load((home / f"out/{root}/references/dark.json").read_text())
    assert pointer["file"] == str(home / "dark.fits") and not (run.folder / "~").exists()


def test_one_bad_file_stops_nobody_else_and_all_problems_come_at_once(new_run, programme):
    run = new_run("guider1")
    good = raw_of(programme, "guider1")
    at = (content := uncal()).index(b"PCOUNT  =")
    (run.folder / "back_uncal.fits").write_bytes(
        content[:at] + b"PCOUNT  =                -1560".ljust(80) + content[at + 80 :]
    )
    os.mkfifo(run.folder / "pipe_uncal.fits")
    (run.folder / "dead_uncal.fits").symlink_to("nowhere")
    given = [str(good), "*_uncal.fits"]
    text = run("-n", status=1, exposures=given, crds=run.config["crds"] | {"context": "hst_0001.pmap"}, keeep="all")
    lines = [line for line in text.splitlines() if line.startswith("rampflow: ")]
    for words in (
        "unknown key 'keeep'",
        "'hst_0001.pmap' is not a JWST context",
        "back_uncal.fits: damaged: PCOUNT is -1560",
        "pipe_uncal.fits: a pipe",
        "dead_uncal.fits: a symbolic link to 'nowhere'",
    ):
        assert sum(words in line for line in lines) == 1, (words, text)
    assert len(lines) == 5 and "Traceback" not in text
    del run.config["keeep"]
    crds = run.config["crds"] | {"context": programme.context}
    root = good.name.removesuffix("_uncal.fits")
    text = run("-n", exposures=given, crds=crds)
    lines = [line for line in text.splitlines() if line.startswith("rampflow: ")]
    assert [line.split(": ")[1] for line in lines[:3]] == ["back_uncal.fits", "dead_uncal.fits", "pipe_uncal.fits"]
    assert lines[3:] == ["rampflow: 3 of 4 exposures cannot be used, 1 can; skip_bad: true leaves such files out"]
    assert "rule unusable:" in text and f"{root}_rate.fits" in text and "Traceback" not in text
    text = run("-n", exposures=given, crds=crds, skip_bad=True)
    assert "Traceback" not in text and root in text and "unusable" not in text


def test_a_run_that_has_nothing_to_do_leaves_no_server(new_run):
    """The server starts while the graph is built, when it is not known yet whether there are jobs."""
    run = new_run("guider1")
    run("--until", "dq_init")
    assert "Nothing to be done" in run("--until", "dq_init")
    assert not list(run.folder.glob(".rampflow/*.socket"))
    assert str(run.folder) not in [process.info["cwd"] for process in psutil.process_iter(["cwd"])]
