"""When an image is pulled. Source: kubernetes 1.36 pkg/apis/core/v1/defaults.go and pkg/util/parsers."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4096)
def pull_policy(image: str) -> str:
    """Always for `:latest` or no tag at all, else IfNotPresent; an image named by digest alone has no tag to move."""
    name, _, digest = image.partition("@")
    _, _, tag = name.rpartition("/")[2].partition(":")
    return "Always" if tag == "latest" or (image and not tag and not digest) else "IfNotPresent"
