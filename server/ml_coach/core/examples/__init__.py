"""What a prompt says outright: examples, signatures, names and code, read without any model.

An example that is wrongly taken from a prompt would outrank everything a model says, so whatever
could be read in two ways is left out: a missed example costs little. Imports only core.
"""

from ml_coach.core.examples.extract import (
    extract_examples,
    extract_stated,
    names_of,
    signatures_of,
)
from ml_coach.core.examples.interface import stub_of
from ml_coach.core.examples.properties import properties_of
from ml_coach.core.examples.requirements import open_requirements, requirements_of, untested
from ml_coach.core.examples.shape import Shape, shape_of
from ml_coach.core.examples.unchanged import unchanged_arguments

__all__ = [
    "Shape",
    "extract_examples",
    "extract_stated",
    "names_of",
    "open_requirements",
    "properties_of",
    "requirements_of",
    "shape_of",
    "signatures_of",
    "stub_of",
    "unchanged_arguments",
    "untested",
]
