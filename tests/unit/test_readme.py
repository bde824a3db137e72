"""What the README draws or promises is what the code does."""

from __future__ import annotations

from pathlib import Path

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
