"""What CRDS cannot answer: said once, again and again, and never at the cost of products that are there."""

import json

ODD = b"#ASDF 1.0.0\n#ASDF_STANDARD 1.5.0\n%YAML 1.1\n--- !<tag:stsci.edu:asdf/core/asdf-1.1.0>\n"


def lines_of(text):
    return [line for line in text.splitlines() if line.startswith("rampflow: ")]


def pointers(run):
    return {path: path.read_bytes() for path in run.folder.glob("results/*/references/*.json")}


def test_a_context_that_cannot_be_had_fails_every_time_and_costs_nothing(new_run):
    run = new_run("nis", "guider1")
    run()
    products, told = run.products(), pointers(run)
    good = run.config["crds"]
    for _ in range(2):
        text = run(status=1, crds=good | {"context": "jwst_9009.pmap"})
        said = [line for line in lines_of(text) if "jwst_9009.pmap" in line]
        assert len(said) == 1
        assert said[0].startswith("rampflow: references: 2 exposures: CRDS context jwst_9009.pmap is not complete")
        assert (run.products(), pointers(run)) == (products, told)
    assert run.jobs(crds=good) == set()
    assert "Nothing to be done" in run()
    assert (run.products(), pointers(run)) == (products, told)


def test_a_bad_parameter_file_stops_its_exposure_every_time_and_no_other(new_run, programme):
    run = new_run("nis", "guider1")
    (raw,) = programme.folder.glob("data/*_nis_uncal.fits")
    root = raw.name.removesuffix("_uncal.fits")
    odd = run.folder / "odd.asdf"
    odd.write_bytes(ODD + b"parameters: {}\nsteps: null\n...\n")
    bad = {root: {"pars-jumpstep": str(odd)}}
    assert {exposure for rule, exposure in run.jobs(status=1, references=bad) if rule == "rate"} == {"guider1"}
    assert {path.parts[1][-7:] for path in run.products()} == {"guider1"}
    run(references={})
    products, told = run.products(), pointers(run)
    for _ in range(2):
        text = run(status=1, references=bad)
        (line, *_) = [line for line in lines_of(text) if line.startswith(f"rampflow: {root}: references: ")]
        assert "odd.asdf is not a parameter file: steps: found nothing, expected a list of steps" in line
        assert (run.products(), pointers(run)) == (products, told)
    (last, *_) = sorted((run.folder / "results/runs").glob("*.json"), reverse=True)
    assert set(json.loads(last.read_text())["without_references"]) == {root}
    assert run.jobs(references={}) == set()
    assert (run.products(), pointers(run)) == (products, told)


def test_a_run_that_is_held_to_its_own_lock_makes_the_same(new_run):
    run = new_run("guider1")
    run()
    products = run.products()
    lock = run.folder / "my.lock"
    lock.write_bytes((run.folder / "results/references.lock").read_bytes())
    crds = run.config["crds"]
    assert run.jobs(lock="my.lock", crds=crds | {"context": None}) == set()
    assert run.products() == products
    content = json.loads(lock.read_text())
    name = next(name for name in content["mappings"] if name.endswith(".pmap"))
    content["mappings"][name] = "0" * 40
    lock.write_text(json.dumps(content))
    text = run(status=1)
    assert any(f"mapping {name}: wanted sha1 {'0' * 40}, found sha1 " in line for line in lines_of(text))
    assert run.products() == products
