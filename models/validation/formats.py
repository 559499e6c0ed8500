"""What names, labels, ports and keys may look like. Each check gives what is wrong in Kubernetes' words; nothing if all is well.

What is wrong is said in Kubernetes' words. Source: apimachinery pkg/util/validation/validation.go and pkg/api/validate/content. Results are
cached, since one pod's names are checked again and again in its life.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Problems = tuple[str, ...]

LABEL_BYTES = 63
SUBDOMAIN_BYTES = 253
PORT_NAME_BYTES = 15
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_PERCENT = "[0-9]+%"
_HEADER = "[-A-Za-z0-9]+"


def _pattern(words: str, regex: str, *examples: str) -> str:
    listed = " or ".join(f"'{example}', " for example in examples)
    return f"{words} (e.g. {listed}regex used for validation is '{regex}')"


def _too_long(limit: int) -> str:
    return f"must be no more than {limit} characters"


_LABEL_WORDS = _pattern(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric "
    "character",
    _LABEL,
    "my-name",
    "123-abc",
)
_SUBDOMAIN_WORDS = _pattern(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
    "alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_LABEL_1035_WORDS = _pattern(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an "
    "alphanumeric character",
    _LABEL_1035,
    "my-name",
    "abc-123",
)
_KEY_WORDS = _pattern(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    _KEY,
    "MyName",
    "my.name",
    "123-abc",
)
_VALUE_WORDS = _pattern(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character",
    f"({_KEY})?",
    "MyValue",
    "my_value",
    "12345",
)
_CONFIG_KEY_WORDS = _pattern(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'", _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"
)
_PERCENT_WORDS = _pattern("a valid percent string must be a numeric string followed by an ending '%'", _PERCENT, "1%", "93%")
_HEADER_WORDS = _pattern("a valid HTTP header must consist of alphanumeric characters or '-'", _HEADER, "X-Header-Name")
_ENV_WORDS = "a valid environment variable name must consist only of printable ASCII characters other than '='"

_label_regex = re.compile(_LABEL)
_subdomain_regex = re.compile(_SUBDOMAIN)
_label_1035_regex = re.compile(_LABEL_1035)
_key_regex = re.compile(_KEY)
_config_key_regex = re.compile(_CONFIG_KEY)
_percent_regex = re.compile(_PERCENT)
_header_regex = re.compile(_HEADER)
_env_regex = re.compile(r"[ -<>-~]+")


@lru_cache(maxsize=16384)
def subdomain(value: str) -> Problems:
    """An RFC 1123 subdomain: names of most objects."""
    problems = (_too_long(SUBDOMAIN_BYTES),) if len(value.encode()) > SUBDOMAIN_BYTES else ()
    return problems if _subdomain_regex.fullmatch(value) else (*problems, _SUBDOMAIN_WORDS)


@lru_cache(maxsize=8192)
def label(value: str) -> Problems:
    """An RFC 1123 label: names of namespaces, containers, volumes."""
    problems = (_too_long(LABEL_BYTES),) if len(value.encode()) > LABEL_BYTES else ()
    if _label_regex.fullmatch(value):
        return problems
    return (*problems, "must not contain dots" if _subdomain_regex.fullmatch(value) else _LABEL_WORDS)


@lru_cache(maxsize=4096)
def label_1035(value: str) -> Problems:
    """An RFC 1035 label: names of Services."""
    problems = (_too_long(LABEL_BYTES),) if len(value.encode()) > LABEL_BYTES else ()
    return problems if _label_1035_regex.fullmatch(value) else (*problems, _LABEL_1035_WORDS)


@lru_cache(maxsize=4096)
def path_segment(value: str) -> Problems:
    """What may stand between two slashes of a path: names of RBAC objects."""
    if value in (".", ".."):
        return (f"may not be '{value}'",)
    return tuple(f"may not contain '{letter}'" for letter in "/%" if letter in value)


@lru_cache(maxsize=8192)
def qualified_name(value: str) -> Problems:
    """A name with an optional prefix, `example.com/name`: keys of labels and annotations, finalizers, resources."""
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        return (f"a valid label key {_KEY_WORDS} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",)
    problems: list[str] = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems.extend(f"prefix part {one}" for one in subdomain(prefix))
    if not name:
        problems.append("name part must be non-empty")
    elif len(name.encode()) > LABEL_BYTES:
        problems.append(f"name part {_too_long(LABEL_BYTES)}")
    if not _key_regex.fullmatch(name):
        problems.append(f"name part {_KEY_WORDS}")
    return tuple(problems)


@lru_cache(maxsize=16384)
def label_value(value: str) -> Problems:
    """The value of a label."""
    problems = (_too_long(LABEL_BYTES),) if len(value.encode()) > LABEL_BYTES else ()
    return problems if not value or _key_regex.fullmatch(value) else (*problems, _VALUE_WORDS)


@lru_cache(maxsize=4096)
def config_key(value: str) -> Problems:
    """A key of a ConfigMap or Secret."""
    problems = (_too_long(SUBDOMAIN_BYTES),) if len(value.encode()) > SUBDOMAIN_BYTES else ()
    if not _config_key_regex.fullmatch(value):
        problems = (*problems, _CONFIG_KEY_WORDS)
    if value in (".", ".."):
        problems = (*problems, f"must not be '{value}'")
    elif value.startswith(".."):
        problems = (*problems, "must not start with '..'")
    return problems


@lru_cache(maxsize=4096)
def env_name(value: str) -> Problems:
    """The name of an environment variable."""
    if not value:
        return ("environment variable name must be non-empty",)
    return () if _env_regex.fullmatch(value) else (_ENV_WORDS,)


@lru_cache(maxsize=1024)
def port_name(value: str) -> Problems:
    """The name of a container's port."""
    problems = [_too_long(PORT_NAME_BYTES)] if len(value.encode()) > PORT_NAME_BYTES else []
    if not re.fullmatch("[-a-z0-9]+", value):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        problems.append("must contain at least one letter (a-z)")
    if "--" in value:
        problems.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return tuple(problems)


def port_number(value: int) -> Problems:
    """A TCP or UDP port."""
    return () if 1 <= value <= 65535 else ("must be between 1 and 65535, inclusive",)


def percent(value: str) -> Problems:
    """`25%`."""
    return () if _percent_regex.fullmatch(value) else (_PERCENT_WORDS,)


def header_name(value: str) -> Problems:
    """The name of an HTTP header."""
    return () if _header_regex.fullmatch(value) else (_HEADER_WORDS,)


@lru_cache(maxsize=16384)
def address(value: str) -> IPv4Address | IPv6Address | None:
    """The address that a text means; None if it means none."""
    try:
        return ip_address(value)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def is_network(value: str) -> bool:
    """Whether a text is a network such as `10.0.0.0/8`."""
    try:
        ip_network(value)
    except ValueError:
        return False
    return "/" in value


def masked(prefix: str) -> str:
    """A generateName as it is checked: its last dash stands for what follows. Source: maskTrailingDash."""
    return f"{prefix[:-2]}a" if len(prefix) > 1 and prefix.endswith("-") else prefix
