"""Structs of API group coordination, generated from the schema of Kubernetes 1.36 by `python -m callboard.models.codegen`."""

from __future__ import annotations

from typing import Any, ClassVar

from callboard.models.api import meta
from callboard.models.base import EMPTY_MAP, FrozenMap, Kind, Model

__all__ = ["Lease", "LeaseSpec"]


class LeaseSpec(Model, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    acquire_time: str = ""
    holder_identity: str = ""
    lease_duration_seconds: int | None = None
    lease_transitions: int | None = None
    preferred_holder: str = ""
    renew_time: str = ""
    strategy: str = ""


class Lease(Kind, frozen=True, gc=False, kw_only=True, omit_defaults=True):
    API_VERSION: ClassVar[str] = "coordination.k8s.io/v1"
    KIND: ClassVar[str] = "Lease"
    metadata: meta.ObjectMeta = meta.ObjectMeta()
    spec: LeaseSpec | None = None
