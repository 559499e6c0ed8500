"""That what a kubelet tells of a pod never holds what is in its Secrets: not the words of a failed start, nor those of a probe. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any

REDACTED = "<redacted>"
SHORTEST = 4
"""Texts that are shorter occur everywhere, and would make every message unreadable."""


def secrets_in(objects: Iterable[Any]) -> tuple[str, ...]:
    """What must not be told of these objects (ConfigMaps and Secrets; None: absent): the values of Secrets, as they are and as they are
    stored, and each line of theirs; the longest first, since one may be part of another."""
    found: dict[str, None] = {}
    for obj in objects:
        if obj is None or obj.KIND != "Secret":
            continue
        for stored in obj.data.values():
            found[stored] = None
            try:
                text = base64.b64decode(stored, validate=True).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                continue
            found.update(dict.fromkeys((text, text.strip(), *(line.strip() for line in text.splitlines()))))
    return tuple(sorted((one for one in found if len(one) >= SHORTEST), key=lambda one: (-len(one), one)))


def redacted(text: str, secrets: Iterable[str]) -> str:
    """A text without these."""
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text
