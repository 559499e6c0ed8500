"""What a container may do at each level: honoured, or refused in words that say which level can. Decisions only."""

from __future__ import annotations

from typing import Any

import pytest

from callboard.models.api import core, meta
from callboard.runtime.containers.process_security import ALL_CAPABILITIES, Security, owned_group, security_of
from callboard.runtime.containers.process_users import UserRefused
from callboard.runtime.isolation.levels import C0, Level
from callboard.runtime.process.confinement import DEFAULT_CAPABILITIES

A = Level("A", network=True, confined=True, rules=True, subuids=True)
B = Level("B", network=True, confined=True, rules=True, user_namespace=True, subuids=True)
B_ALONE = Level("B", network=True, confined=True, rules=True, user_namespace=True)
C1_ROOT = Level("C1", confined=True, subuids=True)
C1 = Level("C1", confined=True, user_namespace=True, subuids=True)
ROOT, ME = 0, 1000
CONFINED = [(A, ROOT), (B, ME), (C1, ME), (C1_ROOT, ROOT)]


def judged(level: Level, our: int, pod: dict[str, Any] | None = None, image: tuple[int, int] | None = None, **own: Any) -> Security:
    context = core.SecurityContext(**own) if own else None
    fields = dict(pod or {})
    shared = core.PodSecurityContext(**fields.pop("shared", {}))
    container = core.Container(name="web", image="web:1", security_context=context)
    spec = core.PodSpec(containers=(container,), security_context=shared, **fields)
    return security_of(
        core.Pod(metadata=meta.ObjectMeta(name="a", namespace="default", uid="u"), spec=spec), container, level, our, our, image
    )


def named(security: Security) -> set[str]:
    return set(security.capabilities)


@pytest.mark.parametrize(("level", "our"), CONFINED)
def test_a_container_that_asks_for_nothing_has_the_default_capabilities_and_runs_as_root(level: Level, our: int) -> None:
    found = judged(level, our)
    assert named(found) == set(DEFAULT_CAPABILITIES)
    assert (found.user, found.privileged, found.read_only_root, found.no_new_privileges) == (None, False, False, False)


@pytest.mark.parametrize(("level", "our"), CONFINED)
def test_capabilities_are_added_and_dropped_as_containerd_does(level: Level, our: int) -> None:
    def having(add: tuple[str, ...] = (), drop: tuple[str, ...] = ()) -> set[str]:
        return named(judged(level, our, capabilities=core.Capabilities(add=add, drop=drop)))

    assert having(drop=("ALL",)) == set()
    assert having(("NET_BIND_SERVICE",), ("ALL",)) == {"NET_BIND_SERVICE"}
    assert having(("CAP_NET_ADMIN", "sys_time")) == {*DEFAULT_CAPABILITIES, "NET_ADMIN", "SYS_TIME"}
    assert having(drop=("KILL", "CHOWN")) == set(DEFAULT_CAPABILITIES) - {"KILL", "CHOWN"}
    assert having(("ALL",)) == set(ALL_CAPABILITIES)
    assert having(("ALL",), ("KILL",)) == set(ALL_CAPABILITIES) - {"KILL"}


def test_a_capability_that_nobody_knows_is_refused_by_name() -> None:
    for level, our in (*CONFINED, (C0, ROOT), (C0, ME)):
        with pytest.raises(UserRefused, match='unknown capability "CAP_NONSENSE"'):
            judged(level, our, capabilities=core.Capabilities(add=("NONSENSE",)))


@pytest.mark.parametrize(("level", "our"), CONFINED)
def test_what_is_asked_for_is_handed_on_where_the_level_can(level: Level, our: int) -> None:
    found = judged(
        level,
        our,
        {"shared": {"supplemental_groups": (7,), "fs_group": 8}},
        run_as_user=5,
        run_as_group=6,
        read_only_root_filesystem=True,
        allow_privilege_escalation=False,
    )
    assert found.user == (5, 6, 7, 8)
    assert (found.read_only_root, found.no_new_privileges) == (True, True)
    privileged = judged(level, our, privileged=True)
    assert (privileged.privileged, named(privileged)) == (True, set(ALL_CAPABILITIES))


@pytest.mark.parametrize(
    ("our", "own", "said"),
    [
        (ROOT, {"read_only_root_filesystem": True}, "readOnlyRootFilesystem is not possible at isolation level C0"),
        (ROOT, {"allow_privilege_escalation": False}, "allowPrivilegeEscalation: false is not possible at isolation level C0"),
        (ROOT, {"capabilities": core.Capabilities(drop=("ALL",))}, "capabilities.drop ALL is not possible at isolation level C0"),
        (ME, {"capabilities": core.Capabilities(add=("KILL",))}, "capabilities.add KILL is not possible at isolation level C0"),
        (ME, {"privileged": True}, "privileged is not possible at isolation level C0"),
        (ME, {"read_only_root_filesystem": True}, "levels C1, B and A can"),
        (ME, {"run_as_user": 5}, "runAsUser 5 is not possible here"),
        (ROOT, {"pod": {"share_process_namespace": True}}, "shareProcessNamespace is not possible at isolation level C0"),
    ],
)
def test_level_c0_refuses_what_it_cannot_do_and_says_which_level_can(our: int, own: dict[str, Any], said: str) -> None:
    with pytest.raises(UserRefused, match=said):
        judged(C0, our, **own)


def test_level_c0_honours_what_comes_to_nothing_there() -> None:
    assert judged(C0, ME, capabilities=core.Capabilities(drop=("ALL",))).capabilities == ()
    assert judged(C0, ROOT, privileged=True, allow_privilege_escalation=True).user is None
    assert judged(C0, ROOT, {"host_ipc": True, "host_pid": True}).user is None


@pytest.mark.parametrize(
    ("level", "our", "pod", "said"),
    [
        (A, ROOT, {"shared": {"sysctls": (core.Sysctl(name="net.core.somaxconn", value="1"),)}}, "securityContext.sysctls"),
        (A, ROOT, {"host_users": False}, "hostUsers: false is not possible at isolation level A: .*; level B can"),
        (A, ROOT, {"host_ipc": True}, "hostIPC is not possible at isolation level A"),
        (
            B,
            ME,
            {"shared": {"run_as_user": 65536}},
            "runAsUser 65536 is not possible at .*0 to 65535 only; level A can",
        ),
        (B_ALONE, ME, {"shared": {"run_as_user": 33}}, "runAsUser 33 is not possible at isolation level B: .*no subordinate ones"),
        (B_ALONE, ME, {"shared": {"fs_group": 33}}, "fsGroup 33 is not possible at isolation level B"),
        (B_ALONE, ME, {"shared": {"supplemental_groups": (33,)}}, "supplementalGroups 33 is not possible at isolation level B"),
    ],
)
def test_what_a_confined_level_cannot_do_is_refused(level: Level, our: int, pod: dict[str, Any], said: str) -> None:
    with pytest.raises(UserRefused, match=said):
        judged(level, our, pod)


def test_in_a_user_namespace_its_root_is_root_for_run_as_non_root() -> None:
    with pytest.raises(UserRefused, match="container has runAsNonRoot and image will run as root"):
        judged(B, ME, run_as_non_root=True)
    assert judged(B, ME, run_as_non_root=True, run_as_user=33).user == (33, 0)
    assert judged(B_ALONE, ME, run_as_user=0).user is None


def test_the_user_of_an_image_counts_where_the_spec_says_nothing() -> None:
    assert judged(A, ROOT, image=(33, 34)).user == (33, 34)
    assert judged(A, ROOT, image=(33, 34), run_as_user=5).user == (5, 0)
    assert judged(A, ROOT, image=(33, 34), run_as_group=6).user == (33, 6)
    assert judged(A, ROOT, image=(33, 34), run_as_non_root=True).user == (33, 34)
    assert judged(C0, ME, image=(33, 34)).user is None


def test_volumes_are_given_to_a_group_only_where_that_can_be_done() -> None:
    spec = core.PodSpec(security_context=core.PodSecurityContext(fs_group=33))
    pod = core.Pod(metadata=meta.ObjectMeta(name="a"), spec=spec)
    assert [owned_group(pod, level, our) for level, our in ((A, ROOT), (B, ME), (C0, ROOT), (C0, ME), (B_ALONE, ME))] == [
        33,
        33,
        33,
        None,
        None,
    ]
    assert owned_group(core.Pod(metadata=pod.metadata, spec=core.PodSpec()), A, ROOT) is None
