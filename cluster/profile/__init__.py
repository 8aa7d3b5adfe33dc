"""Profiles on disk: a folder with `queries.parquet`, `outcomes.parquet`, `paths.csv` and perhaps `signals.parquet`."""

from cluster.profile.join import join
from cluster.profile.read import read_table
from cluster.profile.table import QUERIES, PathRow, Table
from cluster.profile.write import write_table

__all__ = ["QUERIES", "PathRow", "Table", "join", "read_table", "write_table"]
