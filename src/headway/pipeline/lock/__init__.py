"""headway.lock: which commit each `owner/name@ref` of a repository's workflows means. Pure.

Written by `headway workflow lock`, committed with the workflows; a run takes
the commits from here, so that a tag that is moved changes nothing.
"""

from headway.pipeline.lock.file import FILE, read, write

__all__ = ["FILE", "read", "write"]
