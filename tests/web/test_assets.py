"""Static files: kept by their hash, small on the way, and what others made is what they made."""

import hashlib
import tomllib

from tests.web.conftest import Told

from headway.web import assets


def test_a_file_is_kept_for_ever_at_the_address_of_its_content_only(told: Told) -> None:
    good = told.get(assets.url("parts.css"))
    assert good.status_code == 200
    assert good.headers["content-type"].startswith("text/css")
    assert "immutable" in good.headers["cache-control"]
    stale = told.get("/static/000000000000/parts.css")
    assert stale.content == good.content
    assert stale.headers["cache-control"] == "no-cache"
    for path in ("nothing.css", "../render.py", "%2e%2e/render.py"):
        assert told.get(f"/static/000000000000/{path}").status_code == 404


def test_what_is_large_goes_with_gzip_to_whoever_takes_it(told: Told) -> None:
    path = assets.url("vendor/htmx.min.js")
    assert told.get(path).headers["content-encoding"] == "gzip"
    assert "content-encoding" not in told.get(path, **{"accept-encoding": "identity"}).headers


def test_vendored_files_are_those_that_are_written_down() -> None:
    folder = assets.FOLDER / "vendor"
    known = tomllib.loads((folder / "VENDOR.toml").read_text())["package"]
    files = {f["path"]: f["sha256"] for one in known for f in one["files"]}
    found = {p.name for p in folder.iterdir()} - {"VENDOR.toml"}
    assert set(files) == found
    for name, digest in files.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name
    assert all(one["license"] and one["source"] and one["version"] for one in known)
