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


def test_a_bad_parameter_file_stops_its_exposure_every_time_and_no_other(new_run):
    run = new_run("nis", "guider1")
    run()
    products, told = run.products(), pointers(run)
    (root,) = {path.parts[1] for path in products if path.parts[1].endswith("_nis")}
    odd = run.folder / "odd.asdf"
    odd.write_bytes(ODD + b"parameters: {}\nsteps: null\n...\n")
    for _ in range(2):
        text = run(status=1, references={root: {"pars-jumpstep": str(odd)}}, save_calibrated_ramp=True)
        (line, *_) = [line for line in lines_of(text) if line.startswith(f"rampflow: {root}: unanswered: ")]
        assert "odd.asdf is not a parameter file: steps: found nothing, expected a list of steps" in line
        now = run.products()
        assert {path.parts[1][-7:] for path in now.keys() - products.keys()} == {"guider1"}
        assert {path: now[path] for path in products} == products
        assert pointers(run) == told
    (last, *_) = sorted((run.folder / "results/runs").glob("*.json"), reverse=True)
    assert set(json.loads(last.read_text())["without_references"]) == {root}
    assert run.jobs(references={}, save_calibrated_ramp=False) == set()
    assert pointers(run) == told


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
