"""Which level is chosen of what was tried, and in which words one is refused; trials that neither hang nor leave anything behind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from callboard.runtime.isolation import advice, levels, probing
from callboard.runtime.isolation.levels import IsolationRefused, chosen, findings
from callboard.runtime.isolation.probing import Outcome, Trial

NO = Outcome(False, "Operation not permitted")


class Machine:
    """A machine that refuses some things: words of prefixes ("--net"), and steps ("overlay")."""

    def __init__(self) -> None:
        self.refuses: set[str] = set()
        self.root = True
        self.absent: list[str] = []

    def try_namespaces(self, prefix: Sequence[str]) -> Outcome:
        if "--user" not in prefix and not self.root:
            return NO
        return NO if self.refuses & set(prefix) else Outcome(True)

    def try_subuids(self) -> Outcome:
        return NO if "subuids" in self.refuses else Outcome(True)

    def try_steps(self, trial: Trial) -> dict[str, Outcome]:
        return {step: NO if step in self.refuses else Outcome(True) for step in trial.steps}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    made = Machine()
    for name in ("try_namespaces", "try_subuids", "try_steps"):
        monkeypatch.setattr(levels, name, getattr(made, name))
    monkeypatch.setattr(advice, "absent", lambda _level: made.absent)
    monkeypatch.delenv(levels.OVERRIDE, raising=False)
    levels.forget()
    yield made
    levels.forget()


def test_root_with_everything_gets_a_and_its_prefix_makes_no_user_namespace(machine: Machine) -> None:
    level = chosen()
    assert (level.name, level.network, level.confined, level.rules, level.user_namespace, level.subuids) == (
        "A",
        True,
        True,
        True,
        False,
        True,
    )
    assert "--net" in level.unshare
    assert "--user" not in level.unshare


def test_who_is_not_root_gets_b_with_as_many_users_as_the_machine_maps(machine: Machine) -> None:
    machine.root = False
    assert (chosen().name, chosen().subuids, "--map-auto" in chosen().unshare) == ("B", True, True)
    machine.refuses = {"subuids"}
    levels.forget()
    assert (chosen().name, chosen().subuids, "--map-auto" in chosen().unshare) == ("B", False, False)


@pytest.mark.parametrize(
    ("root", "refuses", "name", "user_namespace"),
    [
        (True, {"--net"}, "C1", False),
        (True, {"net"}, "C1", False),
        (False, {"net"}, "C1", True),
        (False, {"--user"}, "C0", False),
        (True, {"overlay"}, "C0", False),
        (True, {"view"}, "C0", False),
        (True, {"--pid"}, "C0", False),
    ],
)
def test_what_a_machine_refuses_decides_how_far_down_the_choice_goes(
    machine: Machine, root: bool, refuses: set[str], name: str, user_namespace: bool
) -> None:
    machine.root, machine.refuses = root, refuses
    assert (chosen().name, chosen().user_namespace) == (name, user_namespace)


def test_without_rules_the_level_stays_and_says_so(machine: Machine) -> None:
    machine.refuses = {"rules"}
    assert (chosen().name, chosen().rules) == ("A", False)
    (rules,) = [one for one in findings() if (one.level, one.step) == ("A", "rules")]
    assert not rules.ok
    assert "proxy" in rules.advice


def test_a_level_by_name_is_refused_with_the_step_that_failed_and_what_to_do(machine: Machine) -> None:
    machine.root = False
    machine.refuses = {"--user"}
    with pytest.raises(IsolationRefused, match=r"isolation level B does not work here: user namespace: Operation not permitted \(.+\)"):
        chosen("B")
    with pytest.raises(IsolationRefused, match=r"level A .* namespaces: Operation not permitted \(.+\)"):
        chosen("A")


def test_a_missing_program_is_named_with_its_package(machine: Machine) -> None:
    machine.absent = ["bwrap"]
    with pytest.raises(IsolationRefused, match=r"there is no program bwrap \(apt-get install bubblewrap\)"):
        chosen("A")
    assert chosen().name == "C0"


def test_the_variable_names_what_auto_means_and_nothing_else(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(levels.OVERRIDE, "C1")
    assert (chosen().name, chosen("A").name) == ("C1", "A")
    monkeypatch.setenv(levels.OVERRIDE, "best")
    with pytest.raises(IsolationRefused, match="CALLBOARD_ISOLATION='best' is no level"):
        chosen()
    with pytest.raises(IsolationRefused, match="isolation='Z' is no level"):
        chosen("Z")


def test_every_level_is_found_out_about_and_c0_always_works(machine: Machine) -> None:
    machine.root, machine.refuses = False, {"--user"}
    found = {one.level: one for one in findings()}
    assert list(found) == ["A", "B", "C1", "C0"]
    assert found["C0"].ok


def test_this_machine_is_tried_for_real_and_gives_the_same_answer_twice() -> None:
    levels.forget()
    first = chosen()
    levels.forget()
    assert chosen() == first
    assert first.name in levels.NAMES


def test_a_trial_that_hangs_is_ended_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "LIMIT_S", 0.2)
    code, _, words = probing.run(["sleep", "1000"])
    assert code == -1
    assert "no end within 0.2 s" in words


def test_what_a_trial_leaves_behind_is_killed_with_it() -> None:
    code, printed, _ = probing.run(["sh", "-c", "sleep 1000 & echo $!; exit 3"])
    assert code == 3
    left = Path(f"/proc/{printed.strip()}")
    deadline_s = time.monotonic() + 30
    while left.exists() and "Z" not in (left / "stat").read_text().rpartition(")")[2].split()[0]:
        assert time.monotonic() < deadline_s, "it still runs"
        time.sleep(0.01)


def test_a_program_that_is_not_there_is_an_outcome_and_no_exception() -> None:
    assert probing.try_namespaces(["/no/such/program"]) == Outcome(False, "/no/such/program: No such file or directory")


def test_administrators_programs_are_found_without_them_in_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    assert probing.search_path().split(os.pathsep) == ["/usr/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"]


def test_as_many_user_namespaces_as_there_may_be_is_a_matter_of_a_setting() -> None:
    assert "user.max_user_namespaces" in advice.for_step("user namespace", "unshare failed: No space left on device", user_namespace=True)
