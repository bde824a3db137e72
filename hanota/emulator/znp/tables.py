"""The tables of devices and keys, wherever the firmware keeps their rows in NV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hanota.emulator.znp.personality import Placement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hanota.emulator.znp.nvram import Nvram, NvTable
    from hanota.emulator.znp.personality import Personality


class NvTables:
    """Reads and writes the tables in `nvram` as `personality` lays them out."""

    def __init__(self, nvram: Nvram, personality: Personality) -> None:
        self._nvram = nvram
        self._layouts = personality.tables

    def rows(self, table: NvTable) -> list[tuple[Any, ...]]:
        """Return the members of every row; one that is missing or of another length reads as empty."""
        layout = self._layouts[table]
        rows = (
            row if row is not None and len(row) == layout.row.size else layout.empty
            for row in (self._read(table, index) for index in range(layout.rows))
        )
        return [layout.row.unpack(row) for row in rows]

    def has_room(self, table: NvTable, rows: int) -> bool:
        """Tell whether so many rows fit."""
        return rows <= self._layouts[table].rows

    def write(self, table: NvTable, rows: Sequence[tuple[object, ...]]) -> None:
        """Replace a table by `rows`, then empty ones; the caller knows that it has room."""
        layout = self._layouts[table]
        packed = [layout.row.pack(*row) for row in rows]
        match layout.placement:
            case Placement.TABLE:
                missing = layout.rows - len(packed)
                for index, row in enumerate([*packed, *[layout.empty] * missing]):
                    self._nvram.tables[int(table), index] = row
            case Placement.ITEMS:
                for index, item in enumerate(layout.items):
                    if index < len(packed):
                        self._nvram.items[item] = packed[index]
                    elif item in self._nvram.items:
                        self._nvram.items[item] = layout.empty
            case Placement.ONE_ITEM:
                missing = layout.rows - len(packed)
                self._nvram.items[layout.first_item] = b"".join(packed) + layout.empty * missing

    def _read(self, table: NvTable, index: int) -> bytes | None:
        layout = self._layouts[table]
        match layout.placement:
            case Placement.TABLE:
                return self._nvram.tables.get((int(table), index))
            case Placement.ITEMS:
                return self._nvram.items.get(layout.first_item + index)
            case Placement.ONE_ITEM:
                begin = index * layout.row.size
                return self._nvram.items.get(layout.first_item, b"")[begin : begin + layout.row.size]
