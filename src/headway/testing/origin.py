"""Where a report comes from. Made by flows/tests and cli/test_import; read by store/tests."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Origin:
    """`job`: the job instance's key, so that Python 3.11 and 3.12 are not taken for the same;
    `content`: the job's content key, if it has one. `size`: of all its tests, "" if their names
    tell.
    """

    service: str
    run: str
    job: str = ""
    sha: str = ""
    content: str = ""
    branch: str = ""
    size: str = ""

    @property
    def fingerprint(self) -> str:
        """What was tested: pass and fail on the same fingerprint is flakiness."""
        return self.content or (f"{self.sha}/{self.job}" if self.sha else f"{self.run}/{self.job}")

    @property
    def of_commit(self) -> "Origin":
        """The same, known by its commit: coverage is asked for by release."""
        return replace(self, content="")
