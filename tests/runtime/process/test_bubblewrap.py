"""A confinement as options of bubblewrap."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from callboard.runtime.process import bubblewrap
from callboard.runtime.process.bubblewrap import Host, command, keeper, layered, options, seen_at
from callboard.runtime.process.confinement import DEFAULT_CAPABILITIES, Bind, Confinement

HOST = Host({"/bin": "usr/bin", "/lib": "usr/lib"}, ("/lib64",), ("/proc/sys",), ("/proc/keys",), ("/usr/state",))
LAYERS = {"/etc": "/own/etc", "/var": "/own/var"}


def told(confinement: Confinement, cwd: str = "/", user: list[int] | None = None, **more: Any) -> str:
    """All options in one line."""
    return " ".join(options(msgspec.to_builtins(confinement), {"A": "1"}, cwd, user, HOST, LAYERS, **more))


def test_every_container_sees_programs_without_being_able_to_change_them_and_folders_of_its_own() -> None:
    words = told(Confinement(hostname="web-0"))
    assert "--hostname web-0 --unshare-pid" in words
    assert "--perms 0755 --tmpfs / --bind /own/etc /etc --bind /own/var /var --ro-bind /usr /usr" in words
    assert "--symlink usr/bin /bin --symlink usr/lib /lib --ro-bind /lib64 /lib64" in words
    assert "--perms 1777 --tmpfs /tmp --perms 0755 --tmpfs /run" in words
    assert "--perms 0000 --tmpfs /usr/state" in words
    assert words.endswith("--chdir / --clearenv --setenv A 1")


def test_who_keeps_a_pods_processes_together_sees_programs_only_and_may_do_nothing() -> None:
    words = " ".join(keeper(HOST))
    assert words == (
        "--unshare-pid --cap-drop ALL --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --ro-bind /lib64 /lib64"
        " --perms 0000 --tmpfs /usr/state --remount-ro /"
    )


def test_capabilities_are_those_given_and_no_others_unless_it_is_privileged() -> None:
    words = told(Confinement(capabilities=("CHOWN", "KILL")))
    assert "--cap-drop ALL --cap-add CAP_CHOWN --cap-add CAP_KILL --perms" in words
    assert "--cap-add ALL" in told(Confinement(privileged=True))
    assert "--dev-bind /dev /dev" in told(Confinement(privileged=True))


def test_what_is_the_machines_in_proc_can_be_changed_by_privileged_containers_only() -> None:
    words = "--proc /proc --dev /dev --ro-bind /proc/sys /proc/sys --ro-bind /dev/null /proc/keys"
    assert words in told(Confinement())
    assert "/proc/sys" not in told(Confinement(privileged=True))


def test_a_container_without_any_capability_can_still_become_its_user() -> None:
    assert "--cap-add CAP_SETUID --cap-add CAP_SETGID --cap-add CAP_SETPCAP" in told(Confinement(capabilities=()), user=[1000, 1000])


def test_a_read_only_root_leaves_nothing_to_write_but_volumes() -> None:
    words = told(Confinement(read_only_root=True, binds=(Bind("/vol", "/data"),)))
    assert "--ro-bind /own/etc /etc --ro-bind /own/var /var" in words
    assert "--tmpfs /tmp" not in words
    assert words.index("--bind /vol /data") < words.index("--remount-ro /") < words.index("--chdir")


def test_binds_come_in_their_order_after_the_view_and_devices_are_usable() -> None:
    binds = (Bind("/a", "/data"), Bind("/b", "/data/in", True), Bind("/dev/x", "/dev/x"))
    words = told(Confinement(binds=binds, tmpfs=(("/m", 10), ("/n", 0))), devices=frozenset({"/dev/x"}))
    assert (
        "--perms 1777 --size 10 --tmpfs /m --perms 1777 --tmpfs /n --bind /a /data --ro-bind /b /data/in --dev-bind /dev/x /dev/x" in words
    )


def test_the_working_directory_is_made_where_it_is_missing() -> None:
    assert "--dir /work/here --chdir /work/here" in told(Confinement(), cwd="/work/here")


@pytest.mark.parametrize(("name", "own"), [("", True), ("pod:7", False), ("host", False)])
def test_only_who_shares_no_processes_gets_a_namespace_of_them(name: str, own: bool) -> None:
    assert ("--unshare-pid" in told(Confinement(pid_namespace=name))) is own


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        ("/bin/tool", "/usr/bin/tool"),
        ("/var/run/app", "/run/app"),
        ("/var/lock", "/run/lock"),
        ("//data/./x/", "/data/x"),
        ("/binary", "/binary"),
        ("/", "/"),
    ],
)
def test_targets_are_where_the_links_of_the_view_lead(path: str, seen: str) -> None:
    assert seen_at(path, HOST.links) == seen


def test_each_folder_with_a_layer_knows_what_is_to_be_mounted_in_it() -> None:
    confinement = Confinement(binds=(Bind("/a", "/etc/web"), Bind("/b", "/bin/x"), Bind("/c", "/srv")), tmpfs=(("/var/m", 0),))
    assert layered(msgspec.to_builtins(confinement), HOST.links) == {
        "/etc": [("/etc/web", "/a")],
        "/var": [("/var/m", "")],
        "/usr": [("/usr/bin/x", "/b")],
    }


def test_who_runs_as_root_needs_no_switch_of_users_and_who_does_not_keeps_only_its_capabilities() -> None:
    plain = msgspec.to_builtins(Confinement(capabilities=("CHOWN",)))
    assert command(["app"], plain, None) == ["app"]
    assert command(["app"], plain, [0, 0]) == ["app"]
    assert command(["app", "-x"], plain, [1000, 1001, 5, 6]) == [
        *(bubblewrap.SETPRIV, "--reuid", "1000", "--regid", "1001", "--groups", "5,6"),
        *("--bounding-set", "-all,+chown", "--", "app", "-x"),
    ]
    assert "--clear-groups" in command(["app"], plain, [1000, 1000])
    assert "--groups" in command(["app"], plain, [0, 0, 44])


def test_devices_of_the_machine_cannot_be_made_by_default() -> None:
    assert "MKNOD" not in DEFAULT_CAPABILITIES
    assert "SYS_ADMIN" not in DEFAULT_CAPABILITIES
