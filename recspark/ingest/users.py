"""Files of users: id and attributes. The driver reads them whole."""

from __future__ import annotations

from collections.abc import Sequence

from recspark.config import IngestConfig
from recspark.contract import columns as c
from recspark.ingest import known_layouts
from recspark.ingest.attributes import Attributes, Piece, collect, open_table, position, positions
from recspark.ingest.small_tables import Row
from recspark.tables.column_names import USER_IDS, fold
from recspark.text.sources import Source


def read_users(
    sources: Sequence[Source], settings: IngestConfig, *, is_text: bool = False
) -> Attributes:
    """Return the users of files that name their columns, or of MovieLens' u.user and users.dat.

    Without `ingest.user_attributes` all columns of the first file are attributes.

    Args:
        sources: The files; none gives no users.
        settings: Names the column of ids, and the attributes to keep.
        is_text: Whether user ids are text; otherwise only whole numbers are ids.

    Raises:
        DataError: A file has no column of ids or of a name in the settings; or not one line could
            be read.
    """
    usual = (fold(str(settings.table.user)), *USER_IDS, c.ID)
    wanted, names = settings.user_columns.id, list(settings.user_attributes)
    pieces = []
    for source in sources:
        table = open_table(source, known_layouts.USERS, wanted, usual)
        identity = position(source, table, "ingest.user_columns.id", wanted, usual)
        names = names or [x for at, x in enumerate(table.names) if x.strip() and at != identity]
        attributes = positions(source, table, "ingest.user_attributes", names)

        def values(row: Row, attributes: list[int] = attributes) -> list[object]:
            return [row.fields[at] for at in attributes]

        pieces.append(Piece(source, table, identity, values))
    return collect("user", pieces, [c.USER_ID], names, is_text=is_text)
