"""Access control lists of POSIX: letting one more user into a folder that is closed to all others. See acl(5), posix_acl_xattr.h."""

from __future__ import annotations

import errno
import os
import struct

_NAME = "system.posix_acl_access"
_VERSION = struct.pack("<I", 2)
_ENTRY = struct.Struct("<HHI")
_USER_OBJ, _USER, _GROUP_OBJ, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x10, 0x20
_NOBODY_IN_PARTICULAR = 0xFFFFFFFF
_SEARCH = 1


def let_search(folder: str | os.PathLike[str], uid: int) -> None:
    """Let this user go through a folder, beside those whom its mode lets. Where its file system knows no such lists, everybody may then.
    Raises OSError."""
    mode = os.stat(folder).st_mode
    try:
        before = os.getxattr(folder, _NAME)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.EOPNOTSUPP):
            raise
        before = b""
    try:
        os.setxattr(folder, _NAME, with_searcher(before, mode, uid))
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        os.chmod(folder, (mode | 0o011) & 0o7777)


def with_searcher(acl: bytes, mode: int, uid: int) -> bytes:
    """A list, as the kernel takes it, in which this user may search; `acl` is the one there is ("": only the file's `mode`).

    >>> one = with_searcher(b"", 0o700, 1000)
    >>> with_searcher(one, 0o710, 1000) == one
    True
    """
    entries = [_ENTRY.unpack_from(acl, at) for at in range(len(_VERSION), len(acl), _ENTRY.size)]
    if not entries:
        entries = [
            (_USER_OBJ, mode >> 6 & 7, _NOBODY_IN_PARTICULAR),
            (_GROUP_OBJ, mode >> 3 & 7, _NOBODY_IN_PARTICULAR),
            (_MASK, mode >> 3 & 7, _NOBODY_IN_PARTICULAR),
            (_OTHER, mode & 7, _NOBODY_IN_PARTICULAR),
        ]
    kept = {(tag, who): rights for tag, rights, who in entries}
    kept[_USER, uid] = kept.get((_USER, uid), 0) | _SEARCH
    kept[_MASK, _NOBODY_IN_PARTICULAR] = kept.get((_MASK, _NOBODY_IN_PARTICULAR), 0) | _SEARCH
    return _VERSION + b"".join(_ENTRY.pack(tag, kept[tag, who], who) for tag, who in sorted(kept))
