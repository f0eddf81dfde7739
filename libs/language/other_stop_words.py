"""Words that ask, or hold a sentence together, in languages of other letters than Latin.

What is left of a question without them says what it is about: in a language whose meaning no model
here knows, a question is compared by that alone. other_stop_words.txt has a line or two for each of
some fifteen languages; it is not complete, and need not be.
"""

from functools import cache
from importlib.resources import files


@cache
def other_stop_words() -> str:
    """Return all of them, with white space between."""
    return files("libs.language").joinpath("other_stop_words.txt").read_text("utf-8")
