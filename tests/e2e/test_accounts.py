"""People, programs, teams and tokens, by the commands and over HTTP."""

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from argon2.profiles import CHEAPEST
from click.testing import CliRunner, Result
from tests.support.site import PASSWORD, House, house

from headway.access.principal import Grant
from headway.access.tokens import well_formed
from headway.cli.main import main
from headway.flows import accounts, login, passwords
from headway.model.errors import Refused
from headway.store import access, access_tokens, log
from headway.store.access_tables import tokens as token_table


@pytest.fixture
def site(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path / "home") as made:
        yield made


def run(site: House, *words: str, input: str = "", fails: int = 0) -> Result:
    """`headway WORDS` in this process."""
    known = CliRunner().invoke(main, ["--home", str(site.headway.home), *words], input=input)
    assert known.exit_code == fails, known.output
    return known


def told(site: House, *words: str, input: str = "") -> Any:
    return json.loads(run(site, *words, "--json", input=input).stdout)


def status(site: House, token: str, path: str = "/api/v1/services") -> int:
    headers = {"authorization": f"Bearer {token}", "x-forwarded-for": "192.0.2.1"}
    return httpx.get(site.address + path, headers=headers, trust_env=False).status_code


def test_people_teams_and_grants_by_command(site: House) -> None:
    made = told(site, "user", "add", "Ana", "--role", "viewer", "--email", "ana@example.org")
    assert site.browser().log_in("ana", made["password"]).status_code == 303
    given = told(site, "user", "add", "ben", "--password-stdin", input=f"{PASSWORD}\n")
    assert given == {"name": "ben"}
    assert site.browser().log_in("ben").status_code == 303
    run(site, "team", "add", "shop", "--role", "operator", "--service", "shop")
    run(site, "team", "join", "shop", "ben")
    run(site, "user", "grant", "ben", "--role", "approver", "--env", "production")
    known = told(site, "user", "show", "ben")
    assert known["grants"] == [{"role": "approver", "service": "", "environment": "production"}]
    shop = {"role": "operator", "service": "shop", "environment": ""}
    assert known["teams"] == {"shop": [shop]}
    assert [t["members"] for t in told(site, "team", "list")["items"]] == [["ben"]]
    with site.headway.reading() as connection:
        held = access.principal(connection, access.get(connection, "ben"), "").grants
    assert set(held) == {Grant("approver", "", "production"), Grant("operator", "shop")}
    run(site, "user", "revoke", "ben", "--role", "approver", "--env", "production")
    run(site, "user", "revoke", "ben", "--role", "approver", fails=2)
    run(site, "team", "remove", "shop", "--yes")
    assert told(site, "user", "show", "ben")["grants"] == []
    assert told(site, "user", "show", "ben")["teams"] == {}
    assert "ana" in run(site, "user", "list").output
    assert "approval.decide" in run(site, "role", "list").output


def test_what_is_done_with_accounts_is_told_and_no_secret_with_it(site: House) -> None:
    secret = told(site, "user", "add", "ana", "--role", "admin")["password"]
    token = told(site, "token", "create", "ana", "--allow", "viewer")
    run(site, "token", "revoke", token["id"])
    run(site, "user", "disable", "ana")
    with site.headway.reading() as connection:
        events = log.after(connection, 0)
    kinds = [e.kind for e in events]
    assert kinds == ["account.added", "grant.given", "token.created", "token.revoked",
                     "account.disabled"]  # fmt: skip
    assert all(e.data["by"] for e in events)
    said = " ".join(str(e.data) for e in events)
    assert secret not in said
    assert token["token"] not in said
    assert "argon2" not in said


def test_a_program_has_no_password_and_nobody_logs_in_as_it(site: House) -> None:
    assert told(site, "user", "add", "ci", "--program", "--role", "developer") == {"name": "ci"}
    run(site, "user", "password", "ci", fails=3)
    assert site.browser().log_in("ci", "").status_code == 401


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("user", "add", "a b"), "account-name"),
        (("user", "add", "ana", "--password-stdin"), "weak-password"),
        (("user", "show", "nobody"), "unknown-account"),
        (("user", "grant", "nobody", "--role", "viewer"), "unknown-account"),
        (("team", "join", "nothing", "nobody"), "unknown-team"),
        (("token", "create", "nobody", "--allow", "viewer"), "unknown-account"),
        (("token", "revoke", "tok_0"), "unknown-token"),
    ],
)
def test_bad_input_is_one_clear_error(site: House, words: tuple[str, ...], code: str) -> None:
    said = run(site, *words, "--json", input="short\n", fails=2)
    assert json.loads(said.stdout)["error"]["code"] == code


def test_a_token_is_shown_once_and_works_until_it_is_revoked(site: House) -> None:
    site.person("ana", Grant("operator"))
    made = told(site, "token", "create", "ana", "--allow", "viewer", "--days", "1")
    text = made["token"]
    assert well_formed(text)
    assert text not in run(site, "token", "list").output
    assert status(site, text) == 200
    used = told(site, "token", "list")["items"][0]["used_at"]
    assert abs(used - time.time()) < 60
    run(site, "token", "revoke", made["id"])
    assert status(site, text) == 401
    assert "revoked" in run(site, "token", "list").output


def test_a_token_ends_when_its_time_is_over(site: House) -> None:
    site.person("ana", Grant("operator"))
    text = site.token("ana", "viewer")
    with site.headway.tx() as tx:
        tx.connection.execute(token_table.update().values(expires_at=tx.now))
    assert status(site, text) == 401
    with site.headway.reading() as connection:
        (known,) = access_tokens.every(connection)
    assert not known.works(known.expires_at)
    assert known.works(known.expires_at - 1)


def test_a_token_loses_what_its_owner_loses(site: House) -> None:
    site.person("ana", Grant("operator"))
    text = site.token("ana", "operator")
    assert status(site, text, "/metrics") == 200
    run(site, "user", "revoke", "ana", "--role", "operator")
    run(site, "user", "grant", "ana", "--role", "viewer", "--service", "shop")
    assert status(site, text) == 200
    assert status(site, text, "/metrics") == 401
    run(site, "user", "disable", "ana")
    assert status(site, text) == 401
    run(site, "user", "enable", "ana")
    assert status(site, text) == 200


@pytest.mark.parametrize("wrong", ["hwt_", "hwt_" + "0" * 49, "x" * 53, "é", "hwt_" + "a" * 5000])
def test_what_is_no_token_is_nobody(site: House, wrong: str) -> None:
    headers = {"authorization": b"Bearer " + wrong.encode()}
    got = httpx.get(f"{site.address}/api/v1/services", headers=headers, trust_env=False)  # type: ignore[arg-type]
    assert got.status_code == 401
    assert "Bearer" in got.headers["www-authenticate"]


def test_samples_of_other_services_are_not_written(site: House) -> None:
    site.person("ana", Grant("developer"))
    token = site.token("ana", "metric.write", service="shop")
    point = {"asInt": "1", "timeUnixNano": str(int(time.time() * 1e9))}
    groups = [
        {
            "resource": {
                "attributes": [{"key": "service.name", "value": {"stringValue": service}}]
            },
            "scopeMetrics": [{"metrics": [{"name": "sold", "gauge": {"dataPoints": [point]}}]}],
        }
        for service in ("shop", "cart")
    ]
    headers = {"authorization": f"Bearer {token}", "x-forwarded-for": "192.0.2.1"}
    address = f"{site.address}/v1/metrics"
    got = httpx.post(address, json={"resourceMetrics": groups}, headers=headers, trust_env=False)
    assert got.status_code == 200
    partial = got.json()["partialSuccess"]
    assert partial["rejectedDataPoints"] == "1"
    assert "not a service" in partial["errorMessage"]


def test_a_password_is_hashed_anew_when_the_parameters_rise(site: House) -> None:
    site.person("ana", Grant("viewer"))
    with site.headway.reading() as connection:
        before = access.get(connection, "ana").password
    assert before.startswith("$argon2id$")
    assert site.browser().log_in("ana").status_code == 303
    with site.headway.reading() as connection:
        assert access.get(connection, "ana").password == before
    passwords.PARAMETERS = type(CHEAPEST)(**{
        **{f: getattr(CHEAPEST, f) for f in CHEAPEST.__dataclass_fields__},
        "time_cost": CHEAPEST.time_cost + 1,
    })  # fmt: skip
    assert site.browser().log_in("ana").status_code == 303
    with site.headway.reading() as connection:
        after = access.get(connection, "ana").password
    assert f"t={CHEAPEST.time_cost + 1}" in after
    assert site.browser().log_in("ana").status_code == 303


def test_the_parameters_are_those_of_the_standard() -> None:
    """RFC 9106 section 4: 64 MiB, three passes, four lanes."""
    known = subprocess.run(
        [sys.executable, "-c", "from headway.flows import passwords as p; print(p.hashed('x'))"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert known.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_password_that_changed_while_it_was_checked_lets_nobody_in(
    site: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.person("ana", Grant("viewer"))
    real = passwords.matches

    def slowly(stored: str, password: str) -> bool:
        good = real(stored, password)
        with site.headway.tx() as tx:
            accounts.set_password(tx, "test", "ana", "$argon2id$another")
        return good

    monkeypatch.setattr(passwords, "matches", slowly)
    with pytest.raises(Refused):
        login.log_in(site.headway, login.Knock("ana", PASSWORD, "", time.time()))


def test_a_terminal_is_asked_for_the_password_and_shows_none(site: House) -> None:
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "headway", "--home", str(site.headway.home), "user", "add", "ana"],
        stdin=child, stdout=child, stderr=child,
    )  # fmt: skip
    os.close(child)
    said = b""
    for question in (b"Password", b"Again"):
        while question not in said:
            said += os.read(parent, 1000)
        os.write(parent, f"{PASSWORD}\n".encode())
    while b"is known" not in said:
        said += os.read(parent, 1000)
    assert process.wait(30) == 0
    os.close(parent)
    assert PASSWORD.encode() not in said
    passwords.PARAMETERS = CHEAPEST
    assert site.browser().log_in("ana").status_code == 303
