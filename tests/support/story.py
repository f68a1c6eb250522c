"""A home with what pages tell of: v1 released, v2 rolled back, v3 paused in its canary, v4 waiting.

Made by a real Headway on real parts; then its engine ends, so that nothing changes any more.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.stage import AT_ONCE, CANARY, Stage, config

HOSTILE = (
    'Faster </script><script>alert(1)</script> " onmouseover=alert(2) '
    "<img src=x onerror=alert(3)> checkout {{ 7 * 7 }}"
)
AUTHOR = 'O"Neil onload=x & Söhne <eve@example.org>'
SLOWLY = CANARY.replace("steps: [30%", "steps: [{share: 30%, bake: 10m}, 60%")
ASKED = CANARY + "\n    gates: {approval: {by: [ana, cleo], count: 1, not_author: false}}"
PAUSED = 'The support desk looks at it "first" <b>now</b>'


@contextmanager
def story() -> Iterator[Stage]:
    """The stage, after the deliveries."""
    with Stage() as stage:
        with stage.engine():
            _tell(stage)
        yield stage


def _tell(stage: Stage) -> None:
    first = stage.deliver(stage.commit(config(AT_ONCE, staging=False)))
    assert first.outcome == "delivered", first
    with stage.load(rate=200):
        stage.commit(config(CANARY, staging=False), errors=0.5, author=AUTHOR)
        stage.git("commit", "--amend", "--quiet", "-m", HOSTILE)
        bad = stage.deliver(stage.git("rev-parse", "HEAD"))
        assert bad.outcome == "rolled_back", bad
        slow = stage.request(stage.commit(config(SLOWLY, staging=False)))
        stage.happened("rollout.judged", release="shop-3")
        stage.say(slow, "pause", PAUSED)
        stage.happened("rollout.pause", release="shop-3")
    waits = stage.request(stage.commit(config(ASKED, staging=False)))
    found = stage.until(waits, lambda d: d.state == "waiting")
    assert found.state == "waiting", found
