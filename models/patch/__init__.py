"""The ways to change an object by saying only what changes. All work on plain or frozen trees and return plain dicts."""

from callboard.models.patch.jsonops import json_ops
from callboard.models.patch.lastapplied import LAST_APPLIED, last_applied, with_last_applied
from callboard.models.patch.mergepatch import merge
from callboard.models.patch.strategicpatch import strategic
from callboard.models.patch.threeway import three_way

__all__ = ["LAST_APPLIED", "json_ops", "last_applied", "merge", "strategic", "three_way", "with_last_applied"]
