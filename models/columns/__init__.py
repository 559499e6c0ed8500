"""kubectl's columns: one table of them for every kind. `columns_of(resource)`, `cells_of(resource, objects, now_s)`."""

from callboard.models.columns.column import Column, as_text
from callboard.models.columns.pods import PodSummary, summary_of
from callboard.models.columns.tables import Cells, cells_of, columns_of, kind_name, table_of

__all__ = ["Cells", "Column", "PodSummary", "as_text", "cells_of", "columns_of", "kind_name", "summary_of", "table_of"]
