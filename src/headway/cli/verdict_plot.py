"""The verdict report as a picture, from its read model. Called by cli/verdict.py."""

from headway.analysis.plot import Picture, plot
from headway.store.views.verdict import VerdictView


def picture(view: VerdictView) -> str:
    """The SVG document."""
    against = f" against {view.stable}" if view.stable else ""
    return plot(
        Picture(
            title=f"{view.release} in {view.service}/{view.environment}{against}",
            state=view.state,
            candidate=view.release,
            stable=view.stable,
            steps=tuple(
                (s.share, s.began_seconds) for s in view.steps if s.began_seconds is not None
            ),
            report=view.report,
            ended=view.ended_seconds,
        )
    )
