"""ConfigMaps and Secrets. Source: kubernetes pkg/apis/core/validation."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NoBase64
from typing import Any

from callboard.models.api.core import ConfigMap, Secret
from callboard.models.validation import formats, words
from callboard.models.validation.meta import Errors

MAX_BYTES = 1024 * 1024
_IMMUTABLE = "field is immutable when `immutable` is set"
_NEEDED_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_BASIC_AUTH = "kubernetes.io/basic-auth"
_TOKEN, _TOKEN_ACCOUNT = "kubernetes.io/service-account-token", "kubernetes.io/service-account.name"


def check_config_map(obj: ConfigMap, old: ConfigMap | None, errors: Errors) -> None:
    """A ConfigMap that is to be created or updated."""
    size = 0
    for key, text in obj.data.items():
        errors.extend(words.invalid(f"data[{key}]", key, one) for one in formats.config_key(key))
        if key in obj.binary_data:
            errors.append(words.invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
        size += len(text.encode())
    for key, text in obj.binary_data.items():
        errors.extend(words.invalid(f"binaryData[{key}]", key, one) for one in formats.config_key(key))
        size += _decoded_bytes(text, f"binaryData[{key}]", errors)
    if size > MAX_BYTES:
        errors.append(words.too_long("data", MAX_BYTES))
    _check_immutable(obj, old, ("data", "binary_data"), errors)


def check_secret(obj: Secret, old: Secret | None, errors: Errors) -> None:
    """A Secret that is to be created or updated."""
    size = 0
    for key, text in obj.data.items():
        errors.extend(words.invalid(f"data[{key}]", key, one) for one in formats.config_key(key))
        size += _decoded_bytes(text, f"data[{key}]", errors)
    if size > MAX_BYTES:
        errors.append(words.too_long("data", MAX_BYTES))
    errors.extend(words.required(f"data[{key}]") for key in _NEEDED_KEYS.get(obj.type, ()) if key not in obj.data)
    if obj.type == _BASIC_AUTH and "username" not in obj.data and "password" not in obj.data:
        errors.extend((words.required("data[username]"), words.required("data[password]")))
    if obj.type == _TOKEN and not obj.metadata.annotations.get(_TOKEN_ACCOUNT):
        errors.append(words.required(f"metadata.annotations[{_TOKEN_ACCOUNT}]"))
    if old is not None and old.type and obj.type != old.type:
        errors.append(words.invalid("type", obj.type, words.IMMUTABLE))
    _check_immutable(obj, old, ("data",), errors)


def _decoded_bytes(text: Any, path: str, errors: Errors) -> int:
    try:
        return len(b64decode(text, validate=True))
    except (NoBase64, ValueError, TypeError):
        errors.append(words.invalid(path, "<redacted>", "illegal base64 data"))
        return 0


def _check_immutable(obj: Any, old: Any, fields: tuple[str, ...], errors: Errors) -> None:
    if old is None or not old.immutable:
        return
    if not obj.immutable:
        errors.append(words.forbidden("immutable", _IMMUTABLE))
    for field in fields:
        if getattr(obj, field) != getattr(old, field):
            errors.append(words.forbidden("binaryData" if field == "binary_data" else field, _IMMUTABLE))
