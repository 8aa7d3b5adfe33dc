"""Preprocessing options: `none`, `rewrite`, `step_back`, `hyde`, `decompose`."""

from deployments.preprocess.base import Ask, Prepared, Preprocessor
from deployments.preprocess.decompose import Decompose
from deployments.preprocess.hyde import Hyde
from deployments.preprocess.none import AsAsked
from deployments.preprocess.rewrite import Rewrite
from deployments.preprocess.step_back import StepBack
from deployments.registry import Registry

__all__ = ["PREPROCESSORS", "Ask", "Prepared", "Preprocessor"]

PREPROCESSORS: Registry[type[Preprocessor]] = Registry(
    "preprocess", {"none": AsAsked, "rewrite": Rewrite, "step_back": StepBack, "hyde": Hyde, "decompose": Decompose}
)
