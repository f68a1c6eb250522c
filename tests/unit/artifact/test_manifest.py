"""OCI manifests: one byte form, read back strictly."""

import json
from typing import Any

import pytest

from headway.artifact import manifest
from headway.artifact.manifest import Descriptor
from headway.artifact.strict import Unreadable

LAYER = Descriptor(manifest.TAR, "sha256:" + "1" * 64, 2048)
ARCHIVE = manifest.archive(LAYER, 17, {"b": "2", "a": "1"})


def test_an_archive_manifest_is_what_the_image_specification_says() -> None:
    empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert json.loads(ARCHIVE) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.headway.archive.v1",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": "sha256:" + "1" * 64,
                "size": 2048,
            }
        ],
        "annotations": {"a": "1", "b": "2", "dev.headway.content.bytes": "17"},
    }


def test_the_order_of_annotations_does_not_change_the_digest() -> None:
    again = manifest.archive(LAYER, 17, {"a": "1", "b": "2"})
    assert manifest.digest_of(again) == manifest.digest_of(ARCHIVE)


def test_archive_and_referrer_are_read_as_written() -> None:
    found = manifest.decode(ARCHIVE)
    assert (found.layer, found.subject, manifest.content_bytes(found)) == (LAYER, None, 17)
    subject = Descriptor(manifest.MANIFEST, manifest.digest_of(ARCHIVE), len(ARCHIVE))
    about = manifest.decode(manifest.referrer(subject, LAYER, {"x": "y"}))
    assert (about.subject, about.artifact_type) == (subject, manifest.TAR)
    assert about.annotations == {"x": "y"}
    with pytest.raises(Unreadable, match="no archive"):
        manifest.content_bytes(about)


def test_headways_own_annotations_cannot_be_given() -> None:
    with pytest.raises(Unreadable, match="own"):
        manifest.archive(LAYER, 17, {manifest.CONTENT_BYTES: "1"})


def _with(**fields: Any) -> bytes:
    return json.dumps(json.loads(ARCHIVE) | fields).encode()


LAYER_JSON = manifest.written(LAYER)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (_with(schemaVersion=1), "no.* OCI image manifest|not an OCI"),
        (_with(mediaType=manifest.INDEX), "not an OCI"),
        (_with(layers=[]), "0 layers"),
        (_with(layers=[LAYER_JSON] * 2), "2 layers"),
        (_with(layers=[LAYER_JSON | {"digest": "sha256:" + "A" * 64}]), "sha256 digest"),
        (_with(layers=[LAYER_JSON | {"digest": "sha256:../../../etc/passwd"}]), "sha256 digest"),
        (_with(layers=[LAYER_JSON | {"digest": "sha512:" + "1" * 128}]), "sha256 digest"),
        (_with(layers=[LAYER_JSON | {"size": -1}]), "no size"),
        (_with(layers=[LAYER_JSON | {"size": True}]), "no size"),
        (_with(layers=[LAYER_JSON | {"size": 1.0}]), "no size"),
        (_with(layers=[LAYER_JSON | {"mediaType": "tar"}]), "no media type"),
        (_with(artifactType=None), "not a text"),
        (_with(config=[]), "not an object"),
        (_with(subject="x"), "not an object"),
        (_with(annotations={"a": 1}), "not a text"),
        (ARCHIVE[:-1], "not JSON"),
    ],
)
def test_a_malformed_manifest_is_refused_with_its_reason(data: bytes, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        manifest.decode(data)


@pytest.mark.parametrize("stated", ["", "-1", "01", "1e3", "9" * 17, "٣"])
def test_a_stated_size_that_is_none_is_refused(stated: str) -> None:
    found = manifest.decode(_with(annotations={manifest.CONTENT_BYTES: stated}))
    with pytest.raises(Unreadable, match="no size"):
        manifest.content_bytes(found)


def test_a_layer_that_is_no_tar_is_refused() -> None:
    found = manifest.decode(_with(layers=[LAYER_JSON | {"mediaType": "application/zip"}]))
    with pytest.raises(Unreadable, match="not a tar"):
        manifest.content_bytes(found)
