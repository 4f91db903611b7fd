"""The templates of the pages that huatuo writes."""

from __future__ import annotations

import jinja2
from markupsafe import Markup

from huatuo.text.cells import clean


def page_template(folder: str, name: str) -> jinja2.Template:
    """The template ``name`` in the package's ``folder``: what is not ours is escaped and cleaned of control characters,
    and a forgotten variable is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("huatuo", folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda text: clean(text) if isinstance(text, str) and not isinstance(text, Markup) else text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
