"""Names of children that can be computed again: rule 4 of convergence.

A child's name is its index through a permutation keyed with its owner's UID. It looks like Kubernetes' random suffix, never collides
within an owner, and can be decoded, so a second try at the same creation meets its own first try. (Hashes into five characters
collide: 17 times in 20,000.)
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import msgspec

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes' alphabet for generated names: no vowels, no look-alikes (apimachinery util/rand)."""
SUFFIX_LENGTH = 5
_BASE = len(ALPHABET)
SUFFIXES = _BASE**SUFFIX_LENGTH
_DIGITS = {letter: value for value, letter in enumerate(ALPHABET)}
_HALF_BITS = 12
_HALF = 1 << _HALF_BITS
_ROUNDS = 4


@lru_cache(maxsize=8192)
def _round_keys(owner_uid: str) -> tuple[int, ...]:
    digest = blake2b(owner_uid.encode(), digest_size=4 * _ROUNDS, person=b"callboard-names").digest()
    return tuple(int.from_bytes(digest[start : start + 4], "big") | 1 for start in range(0, 4 * _ROUNDS, 4))


def _mix(value: int, key: int) -> int:
    return (((value + 1) * key) ^ (key >> 13)) * 2654435761 >> 9 & (_HALF - 1)


def _permute(value: int, keys: tuple[int, ...]) -> int:
    left, right = value >> _HALF_BITS, value & (_HALF - 1)
    for key in keys:
        left, right = right, left ^ _mix(right, key)
    return left << _HALF_BITS | right


def _permute_back(value: int, keys: tuple[int, ...]) -> int:
    left, right = value >> _HALF_BITS, value & (_HALF - 1)
    for key in reversed(keys):
        left, right = right ^ _mix(left, key), left
    return left << _HALF_BITS | right


def child_suffix(owner_uid: str, index: int) -> str:
    """Five characters for the child of this index, 0 to 27**5 - 1.

    Raises:
        ValueError: the index is out of range.
    """
    if not 0 <= index < SUFFIXES:
        raise ValueError(f"a child's index lies between 0 and {SUFFIXES - 1}, not {index}")
    keys = _round_keys(owner_uid)
    value = _permute(index, keys)
    while value >= SUFFIXES:  # a Feistel network permutes 2**24; walk its cycle back into range
        value = _permute(value, keys)
    letters = []
    for _ in range(SUFFIX_LENGTH):
        value, digit = divmod(value, _BASE)
        letters.append(ALPHABET[digit])
    return "".join(reversed(letters))


def child_index(owner_uid: str, suffix: str) -> int:
    """The index that `child_suffix` made this suffix of; -1 if it is not of our making."""
    if len(suffix) != SUFFIX_LENGTH or any(letter not in _DIGITS for letter in suffix):
        return -1
    value = 0
    for letter in suffix:
        value = value * _BASE + _DIGITS[letter]
    keys = _round_keys(owner_uid)
    value = _permute_back(value, keys)
    while value >= SUFFIXES:
        value = _permute_back(value, keys)
    return value


def next_indices(lost: Iterable[int], highest: int, count: int) -> list[int]:
    """The indices of an owner's next `count` children: first those in `lost`, whose creation may or may not have happened, then those after
    `highest`, the highest that was ever used."""
    uncertain = dict.fromkeys(sorted(lost))
    indices = list(uncertain)[:count]
    following = highest + 1
    while len(indices) < count:
        if following not in uncertain:
            indices.append(following)
        following += 1
    return indices


def template_hash(template: Any) -> str:
    """Ten characters that stand for the content of a pod template; the same in every process."""
    digest = blake2b(msgspec.json.encode(template, order="deterministic"), digest_size=8).digest()
    value = int.from_bytes(digest, "big")
    letters = []
    for _ in range(10):
        value, digit = divmod(value, _BASE)
        letters.append(ALPHABET[digit])
    return "".join(letters)
