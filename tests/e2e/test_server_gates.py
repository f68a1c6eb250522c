"""A run of the server waits for a person, across a kill of the server, and then goes on."""

from tests.support.served import STEP, Served, job, workflow

HEADWAY = """\
service: shop
run: ./shop
environments:
  production:
    gates: {approval: {count: 1}}
"""


def test_a_waiting_run_outlives_the_server() -> None:
    with Served() as served:
        mark = f'echo "$GITHUB_SHA" >> {served.scratch}'
        production = job(f"{mark}/live", name="live").replace(
            STEP, f"    needs: a\n    environment: production\n{STEP}"
        )
        text = workflow("push", job(f"{mark}/built"), production)
        (served.repo.folder / "headway.yaml").write_text(HEADWAY)
        sha = served.repo.write(ci=text)
        served.up("--runs", "1")
        served.repo.push()
        served.eventually(lambda: any(r.held for r in served.runs()))
        served.kill()
        run = served.runs()[0].spec.id
        assert served.said("live") == []
        told = served.cli("pipeline", "approve", run, "--env", "production", "--reason", "fine")
        assert told.returncode == 0, told.stderr
        assert served.said("live") == []
        served.up("--runs", "1")
        (found,) = served.ended(1)
        assert found.phase == "success"
        assert (served.said("built"), served.said("live")) == ([sha], [sha])
        assert [d.because for d in found.decided] == ["fine"]
