"""What jobs of Toil request, and the command of their containers."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generator.containers.limits import container_limits
from generator.package.engines.cluster import Cluster, run_digest
from generator.package.image_signatures import Verification
from generator.package.map.containers import ContainerPlan
from generator.package.map.planning import MapRequest, _engine
from generator.package.map.toil.plan import ToilPlan
from generator.package.map.tool import Tool
from generator.progress import Progress
from generator.shared.errors import UsageError

_TOOL = Tool(
    image="ada/trees:1", arguments=(), cores=2, ram=1000, time=90, needs_network=False, disk=2048, gpus=1
)  # fmt: skip
_GROUPS = Path("/shared/out/groups")


def plan(container: str = "docker", **options: Any) -> ToilPlan:
    containers = ContainerPlan(tool=_TOOL, work=Path("/unused"), limits=container_limits())
    given = {"batch_system": "slurm", **options}
    return ToilPlan(containers=containers, folder=Path("/shared/out"), container=container, **given)


def test_what_a_package_asks_for_is_what_a_job_requests() -> None:
    shared = plan().shared(_GROUPS, rows=10, memory=1, isolated=False)

    assert (shared["cores"], shared["memory"], shared["disk"], shared["gpus"], shared["row_limit"]) == (
        2,
        (1000 + 256) << 20,
        2048 << 20,
        1,
        90,
    )
    assert {"--memory=1000m", "--cpus=2"} <= set(shared["command"])


def test_a_repeated_row_gets_more_memory_and_a_job_of_its_own() -> None:
    shared = plan(rows_per_job=5).shared(_GROUPS, rows=10, memory=2, isolated=False)

    assert (shared["memory"], shared["rows_per_job"]) == ((2000 + 256) << 20, 1)


def test_on_this_machine_a_container_gets_no_more_memory_than_there_is() -> None:
    limits = container_limits()

    shared = plan(batch_system="single_machine").shared(_GROUPS, rows=1, memory=1e6, isolated=False)

    assert f"--memory={limits.most_memory}m" in shared["command"]


@pytest.mark.parametrize("container", ["docker", "podman"])
def test_containers_are_confined_and_see_the_folders_of_their_group(container: str) -> None:
    command = plan(container).shared(_GROUPS, rows=1, memory=1, isolated=False)["command"]

    assert command[:2] == [container, "run"]
    assert {"--network=none", "--read-only", "--cap-drop=ALL", "\0inputs\0", "\0gpus\0"} <= set(command)
    assert ("--init" in command) == (container == "docker")
    assert '--mount=type=bind,"source=/shared/out/groups/\0group\0/rows",target=/packmill/rows' in command


def test_singularity_gets_the_image_of_the_registry_or_a_file_of_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CWL_SINGULARITY_CACHE", str(tmp_path))

    command = plan("singularity").shared(_GROUPS, rows=1, memory=1, isolated=False)["command"]
    (tmp_path / "ada_trees:1.sif").touch()
    cached = plan("singularity").shared(_GROUPS, rows=1, memory=1, isolated=False)["command"]

    assert command[:3] == ["singularity", "--quiet", "exec"]
    assert {"--contain", "--cleanenv", "--net", "--network=none"} <= set(command)
    assert "--bind=/shared/out/groups/\0group\0/rows:/packmill/rows" in command
    assert command[command.index("packmill-runner") - 1] == "docker://ada/trees:1"
    assert cached[cached.index("packmill-runner") - 1] == f"{tmp_path}/ada_trees:1.sif"


def test_a_map_that_verifies_signatures_starts_no_image_file_of_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may write to the cache of a group, and a file has no signature."""
    key: Any = None  # nothing is verified before the refusal
    verification = Verification(key=key, login_for=lambda _image: None)
    request = MapRequest(package=tmp_path, table=[{}], folder=tmp_path, outdir=tmp_path, engine="toil")
    verified = replace(request, verification=verification, container="singularity")

    def engine_of(request: MapRequest) -> str:
        return _engine(request, None, Progress())

    monkeypatch.delenv("CWL_SINGULARITY_CACHE", raising=False)
    assert engine_of(verified) == "toil"
    monkeypatch.setenv("CWL_SINGULARITY_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match="CWL_SINGULARITY_CACHE are not verified"):
        engine_of(verified)
    assert engine_of(replace(verified, verification=None)) == "toil"
    assert engine_of(replace(verified, container="podman")) == "toil"


def test_a_folder_that_singularity_cannot_mount_is_refused() -> None:
    with pytest.raises(UsageError, match="Singularity mounts nothing"):
        plan("singularity").mounts({"/packmill/inputs/1/b": Path("/a:b")})
    with pytest.raises(UsageError, match="Singularity mounts nothing"):
        plan("singularity").mounts({"/packmill/inputs/1/a:b": Path("/b")})


def test_a_run_on_a_cluster_has_its_job_store_among_its_outputs_and_continues_from_it(tmp_path: Path) -> None:
    cluster = Cluster(batch_system="slurm", container="podman")
    own = ("--batchSystem", "slurm", "--podman", "--jobStore", f"{tmp_path}/jobstore")

    assert cluster.options(tmp_path, ("--retryCount", "0"))[:5] == own
    (tmp_path / "jobstore").mkdir()
    with pytest.raises(UsageError, match="--resume continues that run"):
        cluster.options(tmp_path)
    assert "--restart" in cluster.options(tmp_path, resume=True)
    assert "aws:r:n" in cluster.options(tmp_path, ("--jobStore=aws:r:n",))


def test_a_run_on_a_cluster_continues_with_the_package_and_the_values_with_which_it_began(tmp_path: Path) -> None:
    """Toil reads neither again (--restart): the results would be those of other values."""
    cluster, folder, document = Cluster(batch_system="slurm"), tmp_path / "toil", tmp_path / "package" / "process.cwl"
    document.parent.mkdir()
    document.write_text("class: CommandLineTool")
    digest = run_digest(document, {"n": 1})
    cluster.options(folder, digest=digest)
    (folder / "jobstore").mkdir()

    assert "--restart" in cluster.options(folder, resume=True, digest=digest)
    with pytest.raises(UsageError, match="another package or other values"):
        cluster.options(folder, resume=True, digest=run_digest(document, {"n": 2}))
    with pytest.raises(UsageError, match="another package or other values"):
        cluster.options(folder, (f"--jobStore={folder}/jobstore",), resume=True, digest=run_digest(document, {"n": 2}))
    (document.parent / "process.cwl").write_text("class: Workflow")
    with pytest.raises(UsageError, match="another package or other values"):
        cluster.options(folder, resume=True, digest=run_digest(document, {"n": 1}))
    (folder / "jobstore").rmdir()
    assert "--restart" not in cluster.options(folder, resume=True, digest=run_digest(document, {"n": 2}))


@pytest.mark.parametrize("store", ["aws:us-west-2:trees", "file:{}/mine", "{}/mine"], ids=["cloud", "file", "path"])
def test_another_run_takes_no_job_store_of_the_user_s_for_its_own(store: str, tmp_path: Path) -> None:
    """Toil refuses to begin with a store that is left; then --resume would continue its values as those of this run."""
    cluster, folder, options = Cluster(batch_system="slurm"), tmp_path / "toil", ("--jobStore", store.format(tmp_path))
    cluster.options(folder, options, digest="a")
    if store.endswith("mine"):
        (tmp_path / "mine").mkdir()
        cluster.options(folder, options, digest="b")  # Toil refuses this one
    else:
        with pytest.raises(UsageError, match="another package or other values"):
            cluster.options(folder, options, digest="b")
    cluster.options(folder, (), digest="b")

    with pytest.raises(UsageError, match="another package or other values"):
        cluster.options(folder, options, resume=True, digest="b")
    assert "--restart" in cluster.options(folder, options, resume=True, digest="a")


def test_only_its_owner_reads_the_job_store_of_a_run(tmp_path: Path) -> None:
    """Toil stores the values of inputs in it, secret ones too, and nodes see it: so may everybody on the cluster."""
    Cluster(batch_system="slurm").options(tmp_path / "out" / ".packmill-toil")

    assert stat.S_IMODE((tmp_path / "out" / ".packmill-toil").stat().st_mode) == 0o700


def test_options_of_toil_are_for_toil() -> None:
    with pytest.raises(UsageError, match="--batch-system is for --engine toil"):
        Cluster(batch_system="slurm").check_engine("cwltool")
