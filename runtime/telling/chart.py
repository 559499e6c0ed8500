"""A failure as a picture: one lane for each actor of the causal slice, messages as arrows, faults as bands, old news in red.

One self-contained HTML file without anything from elsewhere: SVG, a few lines of script for the slider. What it shows is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from callboard.runtime.faults.findings import Finding
from callboard.runtime.faults.plan import Hold, Plan
from callboard.runtime.telling.causes import Step
from callboard.runtime.telling.story import fault_words, story

LANE_PX, ROW_PX, HEAD_PX, LEFT_PX = 170, 22, 70, 90
_STYLE = """body{font:14px system-ui,sans-serif;margin:16px;color:#222;background:#fff}
pre{background:#f6f6f4;padding:10px;white-space:pre-wrap}
text{font:11px ui-monospace,monospace;fill:#333}.lane{stroke:#ccc}.name{font-weight:bold}.time{fill:#888}
.arrow{stroke:#36c;fill:none}.timer{stroke:#999;fill:none}.held{stroke:#c60;fill:none;stroke-width:2}
.stale{stroke:#c22;stroke-dasharray:4 3;fill:none}.bad{fill:#c22;font-weight:bold}.band{fill:#fa0;opacity:.13}input{width:60%}"""
_SCRIPT = """const s=document.getElementById('upto'),l=document.getElementById('said');
function show(){const n=+s.value;document.querySelectorAll('[data-row]').forEach(
e=>{e.style.visibility=+e.dataset.row<=n?'visible':'hidden'});
const r=rows[n];l.textContent=r||''}s.addEventListener('input',show);show();"""


def chart(plan: Plan, finding: Finding, steps: Sequence[Step], began_s: float) -> str:
    """The HTML of a failure. `steps` is its causal slice, `began_s` when the cluster was up, in virtual seconds since the epoch."""
    lanes = _lanes(steps)
    height = HEAD_PX + ROW_PX * (len(steps) + 2)
    width = LEFT_PX + LANE_PX * max(len(lanes), 1) + 380
    rows = [_words(step, began_s) for step in steps]
    body = [*_bands(plan, steps, began_s, width), *_lane_lines(lanes, height), *_arrows(plan, steps, lanes, began_s)]
    body.append(f'<text class="bad" x="{LEFT_PX}" y="{height - ROW_PX / 2}">{escape(finding.oracle)}: {escape(finding.words)}</text>')
    words = "[" + ",".join(_quoted(row) for row in rows) + "]"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(finding.oracle)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(finding.oracle)}</h1><pre>{escape(story(plan, finding))}</pre>"
        f'<p>steps <input id="upto" type="range" min="0" max="{max(len(steps) - 1, 0)}" value="{max(len(steps) - 1, 0)}"> '
        f'<span id="said"></span></p><svg width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg">'
        '<defs><marker id="a" markerWidth="7" markerHeight="7" refX="6" refY="3" orient="auto"><path d="M0,0 L7,3 L0,6 z"/></marker></defs>'
        f"{''.join(body)}</svg><script>const rows={words};{_SCRIPT}</script></html>\n"
    )


def _name(address: str) -> str:
    return address.partition("#")[0]


def _lanes(steps: Sequence[Step]) -> dict[str, int]:
    """Every actor that takes part, in the order of its first step."""
    found: dict[str, int] = {}
    for step in steps:
        for address in (step.sender, step.receiver):
            if address and _name(address) not in found:
                found[_name(address)] = len(found)
    return found


def _x(lane: int) -> float:
    return LEFT_PX + LANE_PX * lane + LANE_PX / 2


def _y(row: int) -> float:
    return HEAD_PX + ROW_PX * (row + 0.5)


def _lane_lines(lanes: dict[str, int], height: int) -> list[str]:
    found = []
    for name, lane in lanes.items():
        found.append(f'<text class="name" text-anchor="middle" x="{_x(lane)}" y="{HEAD_PX - 30}">{escape(name)}</text>')
        found.append(f'<line class="lane" x1="{_x(lane)}" y1="{HEAD_PX - 20}" x2="{_x(lane)}" y2="{height - ROW_PX}"/>')
    return found


def _bands(plan: Plan, steps: Sequence[Step], began_s: float, width: int) -> list[str]:
    found = []
    for fault in plan.faults:
        during = [row for row, step in enumerate(steps) if fault.at_s <= step.at_s - began_s <= fault.at_s + max(fault.for_s, 0.001)]
        if during:
            top, bottom = _y(during[0]) - ROW_PX / 2, _y(during[-1]) + ROW_PX / 2
            found.append(f'<rect class="band" x="0" y="{top}" width="{width}" height="{bottom - top}"/>')
            found.append(f'<text x="{width - 370}" y="{top + 12}">{escape(fault_words(fault))}</text>')
    return found


def _arrows(plan: Plan, steps: Sequence[Step], lanes: dict[str, int], began_s: float) -> list[str]:
    rows = {step.number: row for row, step in enumerate(steps)}
    commits = {step.revision: row for row, step in enumerate(steps) if step.type == "Committed"}
    holds = {(hold.source, hold.target, hold.type, hold.subject): hold for hold in plan.holds}
    found = []
    for row, step in enumerate(steps):
        y, to_x = _y(row), _x(lanes.get(_name(step.receiver), 0))  # what is done from outside, to nobody, stands at the first
        label = f"{step.type} {step.subject}".strip()
        found.append(f'<text class="time" data-row="{row}" x="4" y="{y + 4}">{step.at_s - began_s:.3f} s</text>')
        if step.sender:
            from_x, from_y = _x(lanes[_name(step.sender)]), _y(rows.get(step.born, row))
            style = _style(step, holds)
            way = f'd="M{from_x},{from_y} L{to_x},{y}"'
            found.append(f'<path class="{style}" data-row="{row}" marker-end="url(#a)" {way}><title>{escape(label)}</title></path>')
        else:
            found.append(f'<circle class="timer" data-row="{row}" cx="{to_x}" cy="{y}" r="4"/>')
        found.append(f'<text data-row="{row}" x="{to_x + 8}" y="{y - 3}">{escape(label[:44])}</text>')
        if 0 < step.revision < step.newest and step.revision in commits:
            then = _y(commits[step.revision])
            found.append(
                f'<path class="stale" data-row="{row}" d="M{to_x},{y} L{_x(lanes[_name(steps[commits[step.revision]].sender)])},{then}"/>'
            )
    return found


def _style(step: Step, holds: dict[tuple[str, str, str, str], Hold]) -> str:
    held = (_name(step.sender), _name(step.receiver), step.type, step.subject) in holds
    return "held" if held else "stale" if 0 < step.revision < step.newest - 1 else "arrow"


def _words(step: Step, began_s: float) -> str:
    news = f", as of revision {step.revision} (the store is at {step.newest})" if step.revision else ""
    return (
        f"step {step.number}, {step.at_s - began_s:.3f} s: {step.sender or 'a timer'} -> {step.receiver} {step.type} {step.subject}{news}"
    )


def _quoted(text: str) -> str:
    """A string for a script inside HTML."""
    import json

    return json.dumps(text).replace("<", "\\u003c").replace("&", "\\u0026")
