"""A profile as a page for people: one HTML file that needs no network."""

from cluster.report.analysis import Analysis, Group, PathMeans, analyse
from cluster.report.page import page

__all__ = ["Analysis", "Group", "PathMeans", "analyse", "page"]
