"""How a container is confined: its namespaces, its view of files, its limits, as plain data for the process daemon. Pure."""

from __future__ import annotations

from callboard.models.api import core
from callboard.models.quantity import cpu_milli, to_bytes
from callboard.runtime.containers.process_security import Security
from callboard.runtime.process.confinement import HOST_PROCESSES, POD_PROCESSES, Bind, Confinement, Limits
from callboard.runtime.process.volumemounts import PlannedMount

ETC_FILES = ("hosts", "hostname", "resolv.conf")


def confinement_of(
    pod: core.Pod,
    security: Security,
    hostname: str,
    mounts: tuple[PlannedMount, ...],
    sources: tuple[str, ...],
    etc: str,
) -> Confinement:
    """How a container is confined, but for its network. `sources` belong to `mounts`, in their order; `etc` is the folder with the pod's
    hosts, hostname and resolv.conf, which every container sees that has nothing else mounted there."""
    spec = pod.spec or core.PodSpec()
    binds = [Bind(source, "/" + "/".join(mount.path), mount.read_only) for mount, source in zip(mounts, sources, strict=True)]
    taken = {mount.path for mount in mounts}
    if ("etc",) not in taken:
        binds += [Bind(f"{etc}/{name}", f"/etc/{name}") for name in ETC_FILES if ("etc", name) not in taken]
    binds.sort(key=lambda bind: bind.target.split("/"))  # outer ones before what lies in them
    return Confinement(
        hostname=hostname,
        binds=tuple(binds),
        read_only_root=security.read_only_root,
        capabilities=security.capabilities,
        privileged=security.privileged,
        no_new_privileges=security.no_new_privileges,
        pid_namespace=HOST_PROCESSES if spec.host_pid else f"{POD_PROCESSES}{pod.metadata.uid}" if spec.share_process_namespace else "",
    )


def limits_of(container: core.Container) -> Limits:
    """What a container may use at most; 0: no limit."""
    limits = container.resources.limits if container.resources is not None else {}
    memory, cpu = limits.get("memory"), limits.get("cpu")
    return Limits(memory_bytes=to_bytes(memory) if memory else 0, cpu_milli=cpu_milli(cpu) if cpu else 0)
