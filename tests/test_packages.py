"""The list of Debian packages, and what becomes of tests whose program is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.programs import missing, packages, path_of

pytest_plugins = ["pytester"]


def test_each_program_is_found_under_its_package() -> None:
    assert packages()["nginx"] == "nginx-light"
    assert packages()["newuidmap"] == packages()["newgidmap"] == "uidmap"
    assert "#" not in "".join(packages()) + "".join(packages().values())


def test_a_missing_program_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tests.programs.SYSTEM_PATH", str(tmp_path))
    assert missing(["nginx", "no-such-program"]) == [
        "nginx (apt-get install nginx-light)",
        "no-such-program (apt-get install no-such-program)",
    ]
    (tmp_path / "nginx").write_text("#!/bin/sh\n")
    (tmp_path / "nginx").chmod(0o755)
    assert path_of("nginx") == str(tmp_path / "nginx")
    assert missing(["nginx"]) == []


@pytest.mark.parametrize(("ci", "outcome"), [("", {"skipped": 1, "passed": 1}), ("true", {"errors": 1, "passed": 1})])
def test_a_test_that_lacks_its_program_is_skipped_and_in_ci_fails(
    ci: str, outcome: dict[str, int], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    pytester.makeconftest("from tests.conftest import pytest_configure, pytest_runtest_setup")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.needs("no-such-program")
        def test_that_needs_much(): ...

        @pytest.mark.needs("sh")
        def test_that_needs_little(): ...
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-rs")
    result.assert_outcomes(**outcome)
    result.stdout.fnmatch_lines(["*no-such-program (apt-get install no-such-program)*"])
