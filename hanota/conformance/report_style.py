"""How the report's page looks: within it, since it is read where there is no other file."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.4 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
caption { text-align: left; font-weight: bold; padding: .25rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid #8886; }
td p { margin: 0 0 .3rem; }
tr td:first-child { border-left: .4rem solid #8886; white-space: nowrap; }
tr.passed td:first-child { border-left-color: #2a7d2e; }
tr.failed td:first-child { border-left-color: #c62828; font-weight: bold; }
tr.inconclusive td:first-child { border-left-color: #b26a00; }
"""
