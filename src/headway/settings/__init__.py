"""headway.yaml: read strictly into frozen dataclasses, refused with file:line:column.

`read` and `load` are for whoever delivers; `explain`, `schema` and `keys` are for people.
"""

from headway.settings.origins import Origin, explain
from headway.settings.reading import NAME, find, load, read, text_of

__all__ = ["NAME", "Origin", "explain", "find", "load", "read", "text_of"]
