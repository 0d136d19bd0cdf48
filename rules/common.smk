"""What the rules share: the run's plan, and where an exposure's files are.

Graph logic is in workflow/rampflow/planning; here it is only put in Snakemake's words.
"""

import atexit
import os
import sys


def home():
    """The workflow's own folder, which is not that of the main Snakefile when this is a module of another workflow.

    Of one that comes from a git host Snakemake has single files; the package has to be a folder: it gets a copy.
    """
    here = workflow.current_basedir
    if isinstance(here, os.PathLike):
        return os.path.dirname(here)
    repository = here.hosted_repo.repo
    commit = repository.commit(here.ref)
    # Not at the start: signals are not yet watched for.
    import tarfile
    import tempfile

    folder = os.path.abspath(f".snakemake/rampflow/{commit.hexsha}")
    if not os.path.isdir(folder):
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        with tempfile.TemporaryFile() as archive, tempfile.TemporaryDirectory(dir=os.path.dirname(folder)) as part:
            repository.archive(archive, commit.hexsha)
            archive.seek(0)
            tarfile.open(fileobj=archive).extractall(f"{part}/all", filter="data")
            os.rename(f"{part}/all", folder)
    return folder


# The package comes with the workflow, here and on a cluster's nodes.
HOME = home()
sys.path.insert(0, f"{HOME}/workflow")

# Snakemake asks of every parameter of a job whether it is a frame of pandas, and imports it for that: a quarter of a
# second, for nothing here.
if workflow.main_snakefile == f"{HOME}/Snakefile":
    sys.modules.setdefault("pandas", None)

from rampflow.planning.interruption import Interruption

# A signal that comes while the rest is imported and planned ends the process in order, too.
INTERRUPTION = Interruption() if workflow.is_main_process else None
if INTERRUPTION is not None:
    INTERRUPTION.watch()

from snakemake.exceptions import IncompleteCheckpointException
from snakemake.logging import logger
from snakemake.settings.enums import Quietness

from rampflow.crds.lock import named
from rampflow.jobs.provenance import code_digest
from rampflow.planning import cluster, masks
from rampflow.planning.portions import inherited
from rampflow.planning.progress import Progress
from rampflow.planning.run import ANSWERED, STATE, USABLE, Run
from rampflow.warmstart import server

# A configuration that is named on the command line stands alone; without one the run is the demo.
if not workflow.overwrite_configfiles:

    configfile: f"{HOME}/config/config.yaml"


# Jobs of a cluster are not local; Snakemake says it by the number of jobs that may be there at once.
ON_CLUSTER = not workflow.is_main_process or workflow.resource_settings.nodes is not None
RUN = Run(config, HOME, INTERRUPTION, ON_CLUSTER)
PLAN = RUN.plan
DEMAND = RUN.demand
FOLDER = f"{RUN.results}/{{exposure}}"
# Where what is made of an exposure lies: of variants, where there are any, beside what is made without one.
BRANCH = f"{FOLDER}{{variant}}" if PLAN.variants else FOLDER
# That of the warm start.
SERVER = None
PROGRESS = Progress(lambda: len(branches_with_jobs()), DEMAND.last_job)


wildcard_constraints:
    # Not the names of the exposures: every path would be matched with all of them.
    exposure="[^/]+",
    variant="(/variants/[^/]+)?",


def branch_in(wildcards):
    """The branch of a job: its exposure, or a variant of it."""
    return f"{wildcards.exposure}{wildcards.get('variant', '')}"


def judged(step, inputs):
    """The inputs of a job; the times of those of a job that stands say nothing."""

    def paths(wildcards):
        found = inputs(wildcards)
        if not stands(step, branch_in(wildcards)):
            return found
        return [] if RUN.can_do_without(step, branch_in(wildcards), found) else ancient(found)

    return paths


def stands(step, branch):
    """Whether a job need not be done again, by its record; False while what CRDS answers is not known."""
    if not workflow.is_main_process:
        return False
    RUN.let_records_decide(workflow)
    try:
        checkpoints.references.get()
    except IncompleteCheckpointException:
        return False
    return RUN.judge(workflow, step, branch)


def uncal(wildcards):
    return RUN.raw(wildcards.exposure) or []


def fetched(wildcards):
    """The copy of a raw file that lies in a store."""
    return DEMAND.copies.copy(wildcards.exposure) or []


def stored(wildcards):
    return DEMAND.copies.request(wildcards.exposure)


def previous(step, kind=""):
    """The product of the step before, in the chain of the job's branch: of a variant's first step the exposure's."""

    def ramp(wildcards):
        branch = branch_in(wildcards)
        before = DEMAND.chain(branch).previous(step)
        return f"{RUN.results}/{DEMAND.product(before, kind, branch)}" if before else uncal(wildcards)

    return judged(step, ramp)


def product(step, kind=""):
    """The product of a step; a temporary one when the configuration does not keep it."""
    path = f"{BRANCH}/{{exposure}}_{step}{kind}.fits"
    return path if DEMAND.keeps(step) else temp(path)


def last_product(kind=""):
    """The last step's product of a branch."""

    def last(wildcards):
        branch = branch_in(wildcards)
        return f"{RUN.results}/{DEMAND.product(DEMAND.chain(branch).final, kind, branch)}"

    return judged("rate", last)


def last_is_kept_by_name(wildcards):
    """Whether the last step's product stays a file of its own beside the count rates."""
    return DEMAND.keeps_by_name(DEMAND.chain(branch_in(wildcards)).final)


def final(kind):
    return f"{BRANCH}/{{exposure}}_{kind}.fits"


def shown(path, caption, title):
    """Have `snakemake --report` show a product."""
    labels = {"exposure": f"{{exposure}}{BRANCH.removeprefix(FOLDER)}", "product": title}
    return report(path, caption=f"../workflow/report/{caption}.rst", category="Products", labels=labels)


def parameters(step):
    return f"{BRANCH}/parameters/{step}.json"


def record(step):
    return f"{BRANCH}/record/{step}.json"


def logfile(step):
    return f"{BRANCH}/logs/{step}.log"


def answers():
    return RUN.answers.file


def unusable_exposures(wildcards):
    return list(PLAN.unusable)


def carried():
    """What an exposure leaves in its detector: a small file that names it."""
    return f"{BRANCH}/carried/persistence.json"


def carried_from(wildcards):
    """What the exposure before has left, where the configuration chains them; else the file that it names."""
    before = RUN.answers.chained_after(branch_in(wildcards))
    if before:
        return f"{RUN.results}/{before}/carried/persistence.json"
    return RUN.carried_file(branch_in(wildcards)) or []


def references(step):
    """What CRDS answered for a step: one small file per type, known once the answers are there."""

    def pointers(wildcards):
        checkpoints.references.get()
        if workflow.is_main_process:
            RUN.answered()
            # Jobs are grouped anew now. Snakemake looks up a group by the jobs that it began with: one that began with
            # a job that stays as it is, that fetches a raw file, would hold jobs of the graph before the answers, too.
            workflow.dag.group_job_factory.cache.clear()
        kinds = DEMAND.reference_types(step, branch_in(wildcards))
        if kinds and wildcards.exposure in RUN.answers.failed():
            workflow.dag.forcefiles.add(f"{RUN.results}/{branch_in(wildcards)}/record/{step}.json")
            return f"{RUN.results}/{ANSWERED}"
        return [f"{FOLDER}/references/{kind}.json" for kind in kinds]

    return judged(step, pointers)


def user_file(step, parameter):
    """A file of the user's that a parameter of the configuration names; an input like any other."""
    return judged(step, lambda wildcards: RUN.user_file(step, parameter, branch_in(wildcards)) or [])


def science_mask(step):
    """Where the science regions are, of exposures of NIRSpec whose step leaves them out: known with CRDS's answers."""

    def mask(wildcards):
        checkpoints.references.get()
        return RUN.science_mask(step, branch_in(wildcards)) or []

    return judged(step, mask)


def mask_request(wildcards):
    return DEMAND.masks.request(PLAN.exposures[wildcards.exposure], DEMAND.copies.copy(wildcards.exposure))


def settings(step):
    return lambda wildcards: DEMAND.settings(step, branch_in(wildcards))


def skipped(step):
    """The steps that are skipped on the way to a step, and why; its product says so."""
    return lambda wildcards: DEMAND.skipped(step, branch_in(wildcards))


def code(step):
    return code_digest(f"{HOME}/scripts/{step}.py")


def calibrated_ramp(wildcards):
    """The product of the step before the ramp fit; the last one where nothing is fitted."""
    branch = branch_in(wildcards)
    return f"{RUN.results}/{DEMAND.product(DEMAND.chain(branch).before_fit, '', branch)}"


def wanted(wildcards):
    """What the run asks for: its final products; if its jobs are local runs of some exposures, these.

    Which variants differ, and from where, is settled with CRDS's answers.
    """
    warm_up()
    if not RUN.is_divided(workflow):
        return DEMAND.products
    RUN.let_records_decide(workflow)
    checkpoints.references.get()
    RUN.answered()
    return RUN.unfinished_portions()


def reference_requests(wildcards):
    return {exposure: DEMAND.requests.of(exposure) for exposure in PLAN.exposures}


def reference_terms(wildcards):
    return DEMAND.requests.terms


def crds_settings(wildcards):
    return PLAN.config["crds"]


def lock_file(wildcards):
    return named(PLAN.config["lock"])


def branches_with_jobs():
    jobs = list(workflow.dag.needrun_jobs(exclude_finished=False))
    return {branch_in(job.wildcards) for job in jobs if hasattr(job.wildcards, "exposure")}


def tell_progress():
    """Progress instead of what Snakemake says of each job, unless the command line asks for more, or for less.

    Of jobs that are portions, or on a cluster, Snakemake tells the numbers, and nothing of what they do.
    """
    global PROGRESS
    asked = workflow.output_settings
    own = workflow.main_snakefile == f"{HOME}/Snakefile"
    quiet = set(asked.quiet or ()) - {Quietness.HOST, Quietness.REASON}
    more = asked.printshellcmds or asked.verbose or quiet or asked.log_handler_settings
    if ON_CLUSTER or RUN.is_divided(workflow):
        PROGRESS = RUN.programme_progress(workflow, branches_with_jobs, quiet=not (ON_CLUSTER or more))
    if own and not (quiet if ON_CLUSTER else more):
        PROGRESS.listen(logger)


def warm_up():
    """Start the server in a run that will do jobs: it imports what they need while the graph is built."""
    global SERVER
    runs = workflow.executor_plugin is not None and not (workflow.dryrun or workflow.touch)
    if SERVER is None and runs and workflow.is_main_process:
        asks = not os.path.exists(answers())
        SERVER = server.start(STATE, PLAN.steps, workflow.resource_settings.cores or 1, asks)
        RUN.interruption.spare(SERVER)
        # Where there turns out to be nothing to do, no hook is called.
        atexit.register(server.stop, SERVER)


def start_server():
    tell_progress()
    RUN.begin(workflow)
    warm_up()
    server.announce(SERVER)


def stop_server(outcome):
    if sys.modules.get("pandas", workflow) is None:
        del sys.modules["pandas"]
    PROGRESS.stop(logger)
    server.stop(SERVER)
    # Not at the start: it takes a second to import.
    from rampflow.inspection.ending import unfinished

    RUN.end(answers(), outcome, unfinished, PROGRESS.made)


def threads_for(wildcards):
    return RUN.needs.threads(wildcards.exposure)


# What a job asks for; after a failure more.
NEEDS = {
    "mem_mb": lambda wildcards, threads, attempt: RUN.needs.memory(wildcards.exposure, threads) * attempt,
    "runtime": lambda wildcards, attempt: RUN.needs.minutes(wildcards.exposure) * attempt,
    "disk_mb": lambda wildcards, attempt: RUN.needs.disk(wildcards.exposure) * attempt,
}


def group_for(wildcards):
    return RUN.group(wildcards.exposure)


# Where jobs of a cluster are single steps, none are put together.
if not RUN.grouped:
    group_for = None
# On a node hooks are not called.
if cluster.runs_group():
    RUN.begin_scratch()
    SERVER = server.start(STATE, PLAN.steps, workflow.resource_settings.cores or 1)
    RUN.interruption.spare(SERVER)
    server.announce(SERVER)
    # Killed with this process, it would leave the folder of its socket.
    atexit.register(server.stop, SERVER)
