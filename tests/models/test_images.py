"""Image names as programs: which entry of the table is meant, what a container's command makes of it, what is said where it is missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.models.api.core import Container
from callboard.models.images import ImageTable, Program, PullProblem, Resolved, familiar
from callboard.models.programs import builtin

NGINX = Program(["nginx"], ["-g", "daemon off;"], install="apt-get install nginx-light")


class Shelf:
    """A machine with these programs and users."""

    path = "/usr/bin"

    def __init__(self, *programs: str, users: dict[str, tuple[int, int]] | None = None, prefixes: dict[str, str] | None = None) -> None:
        self.programs = list(programs)
        self.users = users or {}
        self.prefixes = prefixes or {}
        self.looked_in: list[str] = []

    def find(self, program: str, path: str) -> str:
        self.looked_in.append(path)
        return f"/usr/bin/{program}" if program in self.programs else program if program.startswith("/") else ""

    def mounts(self, program: str) -> tuple[str, ...]:
        return tuple(prefix for start, prefix in self.prefixes.items() if program.startswith(start))

    def user(self, name: str) -> tuple[int, int] | None:
        return self.users.get(name)


def container(image: str, command: tuple[str, ...] = (), args: tuple[str, ...] = (), pull: str = "IfNotPresent") -> Container:
    return Container(name="web", image=image, command=command, args=args, image_pull_policy=pull)


def argv_of(table: ImageTable, one: Container, env: dict[str, str] | None = None) -> tuple[str, ...]:
    answer = table.command_of(one, env or {})
    assert isinstance(answer, Resolved), answer
    return answer.argv


@pytest.mark.parametrize(
    "image",
    [
        "nginx",
        "nginx:latest",
        "nginx:1.25",
        "library/nginx:1.25",
        "docker.io/nginx",
        "docker.io/library/nginx:1.25",
        "index.docker.io/library/nginx",
        "nginx@sha256:" + "a" * 64,
        "nginx:1.25@sha256:" + "a" * 64,
    ],
)
@pytest.mark.parametrize("entry", ["nginx", "docker.io/library/nginx", "library/nginx"])
def test_an_entry_without_a_tag_is_meant_by_every_way_to_write_its_image(image: str, entry: str) -> None:
    assert ImageTable(Shelf("nginx"), [(entry, NGINX)]).program_of(image) is NGINX


@pytest.mark.parametrize("image", ["quay.io/team/nginx:1", "team/nginx", "nginx-slim", "registry.example:5000/nginx"])
def test_an_image_of_somebody_else_is_not_meant_by_the_bare_name(image: str) -> None:
    assert ImageTable(Shelf("nginx"), [("nginx", NGINX)]).program_of(image) is None


def test_a_tag_in_an_entry_is_meant_exactly_and_wins_over_an_entry_without() -> None:
    old = Program(["old"])
    table = ImageTable(Shelf("nginx"), [("nginx", NGINX), ("nginx:1.14", old)])
    assert table.program_of("docker.io/library/nginx:1.14") is old
    assert table.program_of("nginx:1.25") is NGINX


def test_the_pattern_that_says_most_wins() -> None:
    broad, narrow = Program(["broad"]), Program(["narrow"])
    table = ImageTable(Shelf(), [("*", broad), ("shop/*", narrow)])
    assert table.program_of("shop/web:2") is narrow
    assert table.program_of("other") is broad
    assert ImageTable(Shelf(), [("nginx:*", broad)]).program_of("nginx") is broad


def test_what_the_user_says_wins_over_what_is_known_without_being_told() -> None:
    mine = Program(["mine"])
    assert ImageTable(Shelf(), [("ngin*", mine)], [("nginx", NGINX)]).program_of("nginx:1") is mine


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        ((), (), ("nginx", "-g", "daemon off;")),
        ((), ("-v",), ("nginx", "-v")),
        (("sleep",), (), ("sleep",)),
        (("sleep",), ("5",), ("sleep", "5")),
    ],
)
def test_command_and_args_replace_entrypoint_and_cmd_as_in_kubernetes(
    command: tuple[str, ...], args: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    table = ImageTable(Shelf("nginx"), [("nginx", NGINX)])
    assert argv_of(table, container("nginx", command, args)) == expected


def test_variables_are_replaced_in_what_the_container_says_and_not_in_what_its_image_says() -> None:
    table = ImageTable(Shelf("say"), [("say", Program(["say", "$(A)"]))])
    assert argv_of(table, container("say", args=("$(A)", "$$(A)", "$(B)")), {"A": "x"}) == ("say", "$(A)", "x", "$(A)", "$(B)")


def test_a_container_with_a_command_needs_neither_an_entry_nor_what_its_image_needs() -> None:
    table = ImageTable(Shelf(), [("nginx", NGINX)])
    assert argv_of(table, container("who/knows:3", ("sleep", "1"))) == ("sleep", "1")
    assert argv_of(table, container("nginx", ("sleep", "1"))) == ("sleep", "1")


def test_a_program_that_is_missing_is_told_with_what_to_install_and_found_once_it_is_there() -> None:
    shelf = Shelf()
    table = ImageTable(shelf, [("nginx", NGINX)])
    answer = table.command_of(container("nginx:1.25"))
    assert isinstance(answer, PullProblem)
    assert answer.reason == "ErrImagePull"
    assert "nginx:1.25" in answer.message
    assert "apt-get install nginx-light" in answer.message
    shelf.programs.append("nginx")
    assert isinstance(table.command_of(container("nginx:1.25")), Resolved)


def test_an_image_that_nobody_knows_is_told_with_how_to_extend_the_table() -> None:
    answer = ImageTable(Shelf()).command_of(container("registry.example/shop/web:2"))
    assert isinstance(answer, PullProblem)
    assert answer.reason == "ErrImagePull"
    assert 'images={"registry.example/shop/web": Program([...])}' in answer.message
    assert "command" in answer.message


def test_what_may_never_be_pulled_and_is_not_there_has_a_reason_of_its_own() -> None:
    answer = ImageTable(Shelf()).command_of(container("web", pull="Never"))
    assert isinstance(answer, PullProblem)
    assert answer.reason == "ErrImageNeverPull"
    assert answer.message.startswith('Container image "web" is not present with pull policy of Never')


@pytest.mark.parametrize("image", ["Nginx", "nginx:", "a//b", "nginx:1 2", "-x", "nginx@sha256:12"])
def test_a_name_that_docker_can_not_read_is_no_image_even_with_a_command(image: str) -> None:
    answer = ImageTable(Shelf()).command_of(container(image, ("sleep",)))
    assert isinstance(answer, PullProblem)
    assert answer.reason == "InvalidImageName"
    assert f'couldn\'t parse image name "{image}": invalid reference format' in answer.message


@pytest.mark.parametrize(("user", "ids"), [(7, (7, 7)), ("7", (7, 7)), ("7:8", (7, 8)), ("redis", (100, 101)), (None, None)])
def test_a_user_is_a_number_two_numbers_or_a_name_of_the_machine(user: int | str | None, ids: tuple[int, int] | None) -> None:
    table = ImageTable(Shelf("a", users={"redis": (100, 101)}), [("a", Program(["a"], user=user))])
    answer = table.command_of(container("a"))
    assert isinstance(answer, Resolved)
    assert answer.user == ids


def test_a_user_that_the_machine_has_not_is_told() -> None:
    answer = ImageTable(Shelf("a"), [("a", Program(["a"], user="nobody-here"))]).command_of(container("a"))
    assert isinstance(answer, PullProblem)
    assert "unable to find user nobody-here" in answer.message


def test_what_a_program_needs_from_outside_usr_is_mounted_with_what_its_entry_says() -> None:
    table = ImageTable(Shelf(prefixes={"/opt/py/": "/opt/py"}), [("py", Program(["/opt/py/bin/python3"], mounts=["/srv/data"]))])
    answer = table.command_of(container("py"))
    assert isinstance(answer, Resolved)
    assert answer.mounts == ("/srv/data", "/opt/py")


def test_the_path_of_an_image_is_where_its_programs_are_looked_for_and_what_its_container_gets() -> None:
    shelf = Shelf("a")
    answer = ImageTable(shelf, [("a", Program(["a"], env={"PATH": "/x", "B": "c"}))]).command_of(container("a"))
    assert isinstance(answer, Resolved)
    assert dict(answer.env) == {"PATH": "/x", "B": "c"}
    assert set(shelf.looked_in) == {"/x"}


def test_commands_that_an_image_has_and_the_machine_calls_otherwise_are_found_under_the_other_name() -> None:
    table = ImageTable(Shelf("python3", "busybox", "sh"), (), builtin())
    assert argv_of(table, container("python:3.12", ("python", "-V"))) == ("python3", "-V")
    assert argv_of(table, container("busybox", ("httpd", "-f"))) == ("busybox", "httpd", "-f")
    assert argv_of(table, container("busybox", ("sh", "-c", "true"))) == ("sh", "-c", "true")
    assert argv_of(table, container("python", args=("python", "-V"))) == ("python3", "-V")


@pytest.mark.parametrize("image", ["nginx", "redis", "busybox", "python", "node", "httpd"])
def test_the_images_that_are_known_say_what_to_install(image: str) -> None:
    answer = ImageTable(Shelf(), (), builtin()).command_of(container(image))
    assert isinstance(answer, PullProblem)
    assert "apt-get install" in answer.message


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "command is empty"),
        ({"command": "nginx -g"}, "give a list of words"),
        ({"command": ["a", 1]}, "every word is text"),
        ({"command": ["a"], "env": {"A": 1}}, "env"),
        ({"command": ["a"], "working_dir": "data"}, "no absolute path"),
        ({"command": ["a"], "mounts": ["data"]}, "no absolute path"),
    ],
)
def test_a_program_that_makes_no_sense_is_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Program(**fields)  # type: ignore[arg-type]


@given(st.text(max_size=40))
def test_no_name_makes_the_table_fail(name: str) -> None:
    answer = ImageTable(Shelf("nginx"), [("nginx", NGINX), ("*", NGINX)], builtin()).command_of(container(name, ("a",)))
    assert isinstance(answer, Resolved | PullProblem)
    assert familiar(name)[0] == name
