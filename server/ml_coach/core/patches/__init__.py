"""A model's reply → `Patch`; applying, reversing and rebasing patches. Pure functions on texts."""

from ml_coach.core.patches.edit_reading import read_patch
from ml_coach.core.patches.implementing import read_body
from ml_coach.core.patches.making import apply, make_patch, reverse, rewriting
from ml_coach.core.patches.rebasing import rebase
from ml_coach.core.patches.safety import path_problem

__all__ = [
    "apply",
    "make_patch",
    "path_problem",
    "read_body",
    "read_patch",
    "rebase",
    "reverse",
    "rewriting",
]
