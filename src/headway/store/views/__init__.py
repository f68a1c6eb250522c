"""Read models: what commands, the API and pages show. One file per noun, each with `read`.

They read the tables and the event log only, change nothing, and are frozen dataclasses that
msgspec turns into JSON: times are aware UTC, None means not yet or not known.
"""
