"""What the README draws or promises is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from hanota.dcc import codes
from hanota.duis.response_code import ResponseCode
from hanota.hub.jobs import TRANSITIONS, JobState

README = (Path(__file__).parents[2] / "README.md").read_text()


def job_diagram() -> str:
    """Return the job table as a Mermaid state diagram, moves to the ends that exist everywhere left out."""
    everywhere = set.intersection(*(set(moves.items()) for moves in TRANSITIONS.values() if moves))
    lines = ["stateDiagram-v2", f"    [*] --> {JobState.ACCEPTED}"]
    for state, moves in TRANSITIONS.items():
        for target in dict.fromkeys(moves.values()):
            triggers = [t for t, to in moves.items() if to is target and (t, to) not in everywhere]
            if triggers and target is not state:
                lines.append(f"    {state} --> {target}: {' / '.join(triggers)}")
    lines += [f"    {state} --> [*]" for state in TRANSITIONS if state.is_end]
    ends = ", ".join(f"{target} ({trigger})" for trigger, target in sorted(everywhere))
    return "\n".join([*lines, f"    note right of accepted: from every open state: {ends}"])


def test_the_readme_draws_the_job_table_as_it_is() -> None:
    drawn = README.split("```mermaid\n")[1].split("```")[0].strip()
    assert drawn == job_diagram(), f"put this into README.md:\n{job_diagram()}"


def numbered(first: str, last: str) -> set[str]:
    """Return `E1 to E5` in full."""
    return {f"E{number}" for number in range(int(first), int(last) + 1)}


def test_the_readme_names_every_response_code_that_is_given_and_no_other() -> None:
    text = README.split("## The service user's side")[1].split("\n## ")[0]
    ranges = [numbered(*each) for each in re.findall(r"`?E(\d+)`? to `?E(\d+)`?", text)]
    named = set(re.findall(r"\b[EW]\d+\b", text))
    choices = [value for name, value in vars(codes).items() if not name.startswith("_")]
    given = {code for code in choices if isinstance(code, ResponseCode)}
    given |= {code for choice in choices if isinstance(choice, dict) for code in choice.values()}
    assert len(given) > 25
    assert given <= named.union(*ranges)
    assert named <= given
