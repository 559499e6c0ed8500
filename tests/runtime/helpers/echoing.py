"""A helper for the tests: says what it is asked, keeps what it is told, hands descriptors to and fro. Run as a program with its folder."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import msgspec

from callboard.runtime.helpers.program import HelperProgram, Refusal


class Say(msgspec.Struct, frozen=True, tag="Say"):
    text: str


class Said(msgspec.Struct, frozen=True, tag="Said"):
    text: str
    pid: int = 0


class OpenFile(msgspec.Struct, frozen=True, tag="OpenFile"):
    path: str


class ReadIt(msgspec.Struct, frozen=True, tag="ReadIt"):
    pass


class Fail(msgspec.Struct, frozen=True, tag="Fail"):
    refuse: bool


class Never(msgspec.Struct, frozen=True, tag="Never"):
    pass


Requests = Say | OpenFile | ReadIt | Fail | Never


async def main(folder: Path) -> None:
    async def handle(request: Requests, descriptors: list[int]) -> object:
        match request:
            case Say(text):
                program.push(Said(f"somebody said {len(text)}"))
                return Said(text, os.getpid())
            case OpenFile(path):
                return Said("here"), [os.open(path, os.O_RDONLY)]
            case ReadIt():
                with os.fdopen(descriptors[0]) as file:
                    return Said(file.read())
            case Fail(True):
                raise Refusal("not today")
            case Fail(False):
                raise ZeroDivisionError("a fault")
            case Never():
                await asyncio.Event().wait()
        return None

    program = HelperProgram(folder / "echo.sock", Requests, handle)
    await program.serve()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
