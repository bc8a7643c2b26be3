"""A table in the Markdown that Dagster's UI shows.

Called by the assets and their pages for counts and keys; no value of a person.
"""

from collections.abc import Iterable, Sequence

from d118_pipelines.kernel.text import markdown


def markdown_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows of cells, as many as there are heads; each shows as the text that it is."""
    head, *lines = (f"| {' | '.join(map(markdown, line))} |" for line in (heads, *rows))
    return "\n".join([head, "|" + "---|" * len(heads), *lines])
