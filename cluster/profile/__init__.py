"""Profiles on disk: a folder with `queries.parquet`, `outcomes.parquet` and `paths.csv`."""

from cluster.profile.read import read_table
from cluster.profile.table import PathRow, Table
from cluster.profile.write import write_table

__all__ = ["PathRow", "Table", "read_table", "write_table"]
