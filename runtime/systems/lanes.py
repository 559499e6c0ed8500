"""The order of messages inside a lane, kept through delays. Used by every system for messages that don't arrive at once."""

from __future__ import annotations

from callboard.models.messages.base import Address, Answer, Message, Request

LaneKey = tuple[Address, str, str]


class Lanes:
    """When the last message on its way in each lane arrives. Lanes with nothing on its way take no room."""

    def __init__(self) -> None:
        self.last_s: dict[LaneKey, float] = {}
        self._single: dict[type[Message], bool] = {}

    def key(self, source: Address, target: str, message: Message) -> LaneKey | None:
        """The lane of a message; None if it is alone in it, as a request or an answer is that has no lane of its own making."""
        kind = message.__class__
        single = self._single.get(kind)
        if single is None:
            single = self._single[kind] = kind.lane in (Request.lane, Answer.lane)
        return None if single else (source, target, message.lane())

    def arrival_s(self, key: LaneKey | None, wanted_s: float) -> float:
        """When a message that would arrive at `wanted_s` may arrive; remembered as the last of its lane."""
        if key is None:
            return wanted_s
        last_s = self.last_s.get(key)
        if last_s is not None and last_s > wanted_s:
            return last_s
        self.last_s[key] = wanted_s
        return wanted_s

    def arrived(self, key: LaneKey | None, at_s: float) -> None:
        """A message has arrived; if it was the last of its lane, the lane is empty."""
        if key is not None and self.last_s.get(key) == at_s:
            del self.last_s[key]
