"""What every Signer promises, asked of the real keys in files and of foreign verifiers."""

import base64
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, utils
from securesystemslib import dsse
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from headway.adapters.keys.signer import KEY_FILE, KeySigner, keyid
from headway.artifact.envelope import pae
from headway.model.artifact import Envelope, Signature
from headway.model.errors import Failed, HeadwayError, Invalid, Refused

TYPE = "application/vnd.in-toto+json"
PAYLOAD = b'{"_type":"x"}'


@pytest.fixture
def signer(tmp_path: Path) -> KeySigner:
    return KeySigner(tmp_path / "keys")


def refusal(signer: KeySigner, envelope: Envelope) -> str:
    with pytest.raises(HeadwayError) as caught:
        signer.verify(envelope)
    assert isinstance(caught.value, Refused)
    return caught.value.code


def trust(signer_folder: Path, name: str, pem: str) -> None:
    (signer_folder / "trusted").mkdir(exist_ok=True)
    (signer_folder / "trusted" / name).write_text(pem)


def public_pem(key: object) -> str:
    return key.public_bytes(  # type: ignore[attr-defined, no-any-return]
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def test_what_was_signed_verifies_under_the_signers_keyid(signer: KeySigner) -> None:
    envelope = signer.sign(PAYLOAD, TYPE)
    assert (envelope.payload, envelope.payload_type) == (PAYLOAD, TYPE)
    assert signer.verify(envelope) == envelope.signatures[0].keyid == signer.keyid()


def test_signing_the_same_again_gives_the_same_envelope(signer: KeySigner, tmp_path: Path) -> None:
    assert signer.sign(PAYLOAD, TYPE) == KeySigner(tmp_path / "keys").sign(PAYLOAD, TYPE)
    assert signer.sign(PAYLOAD + b" ", TYPE) != signer.sign(PAYLOAD, TYPE)


@pytest.mark.seed("S-016")
def test_every_single_flipped_bit_of_payload_type_and_signature_is_refused(
    signer: KeySigner,
) -> None:
    good = signer.sign(PAYLOAD, TYPE)
    (signature,) = good.signatures
    changed = [replace(good, payload=p) for p in _flips(PAYLOAD)]
    changed += [replace(good, payload_type=t.decode("latin-1")) for t in _flips(TYPE.encode())]
    changed += [
        replace(good, signatures=(replace(signature, sig=s),)) for s in _flips(signature.sig)
    ]
    assert len(changed) == 8 * (len(PAYLOAD) + len(TYPE) + len(signature.sig))
    assert {refusal(signer, envelope) for envelope in changed} == {"bad-signature"}


def _flips(data: bytes) -> list[bytes]:
    whole = int.from_bytes(data, "big")
    return [(whole ^ (1 << bit)).to_bytes(len(data), "big") for bit in range(8 * len(data))]


@pytest.mark.seed("S-016")
def test_a_foreign_key_is_unknown_also_under_a_trusted_name(
    signer: KeySigner, tmp_path: Path
) -> None:
    foreign = KeySigner(tmp_path / "foreign").sign(PAYLOAD, TYPE)
    assert refusal(signer, foreign) == "unknown-key"
    (signature,) = foreign.signatures
    disguised = replace(foreign, signatures=(replace(signature, keyid=signer.keyid()),))
    assert refusal(signer, disguised) == "bad-signature"
    nameless = replace(foreign, signatures=(replace(signature, keyid=""),))
    assert refusal(signer, nameless) == "bad-signature"


def test_bytes_moved_between_type_and_payload_are_refused(signer: KeySigner) -> None:
    good = signer.sign(b"ab", "t")
    assert refusal(signer, replace(good, payload_type="ta", payload=b"b")) == "bad-signature"


def test_no_signature_at_all_is_refused(signer: KeySigner) -> None:
    assert refusal(signer, Envelope(TYPE, PAYLOAD, ())) == "unknown-key"


@pytest.mark.parametrize("sig", [b"", b"\0", b"\x30\x06\x02\x01\x00\x02\x01\x00", b"\xff" * 70])
def test_what_is_no_signature_is_refused(signer: KeySigner, sig: bytes) -> None:
    forged = Envelope(TYPE, PAYLOAD, (Signature(signer.keyid(), sig),))
    assert refusal(signer, forged) == "bad-signature"


def test_one_trusted_signature_that_holds_is_enough(signer: KeySigner, tmp_path: Path) -> None:
    own = signer.sign(PAYLOAD, TYPE)
    foreign = KeySigner(tmp_path / "foreign").sign(PAYLOAD, TYPE)
    both = replace(own, signatures=foreign.signatures + own.signatures)
    assert signer.verify(both) == signer.keyid()
    nameless = replace(own, signatures=(replace(own.signatures[0], keyid=""),))
    assert signer.verify(nameless) == signer.keyid()


def test_a_key_put_into_the_trusted_folder_is_trusted_until_taken_away(
    signer: KeySigner, tmp_path: Path
) -> None:
    other = KeySigner(tmp_path / "other")
    envelope = other.sign(PAYLOAD, TYPE)
    assert refusal(signer, envelope) == "unknown-key"
    trust(tmp_path / "keys", "other.pub", other.public_key_pem())
    assert signer.verify(envelope) == other.keyid()
    (tmp_path / "keys" / "trusted" / "other.pub").unlink()
    assert refusal(signer, envelope) == "unknown-key"


def test_an_ed25519_key_can_be_trusted(signer: KeySigner, tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    name = keyid(key.public_key())
    envelope = Envelope(TYPE, PAYLOAD, (Signature(name, key.sign(pae(TYPE, PAYLOAD))),))
    signer.keyid()
    trust(tmp_path / "keys", "ed.pub", public_pem(key.public_key()))
    assert signer.verify(envelope) == name
    assert refusal(signer, replace(envelope, payload=b"other")) == "bad-signature"


@pytest.mark.parametrize("kind", ["rsa", "p384", "garbage"])
def test_an_unusable_trusted_key_is_named_and_nothing_verifies(
    signer: KeySigner, tmp_path: Path, kind: str
) -> None:
    envelope = signer.sign(PAYLOAD, TYPE)
    pem = {
        "rsa": lambda: public_pem(rsa.generate_private_key(65537, 2048).public_key()),
        "p384": lambda: public_pem(ec.generate_private_key(ec.SECP384R1()).public_key()),
        "garbage": lambda: "-----BEGIN PUBLIC KEY-----\n",
    }[kind]()
    trust(tmp_path / "keys", "odd.pub", pem)
    with pytest.raises(Invalid, match=r"odd\.pub") as caught:
        signer.verify(envelope)
    assert caught.value.code == "bad-key"


def test_the_private_key_is_for_its_owner_only(signer: KeySigner, tmp_path: Path) -> None:
    signer.sign(PAYLOAD, TYPE)
    folder = tmp_path / "keys"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert (folder / KEY_FILE).read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]


def test_a_key_that_others_can_read_is_refused(signer: KeySigner, tmp_path: Path) -> None:
    signer.sign(PAYLOAD, TYPE)
    (tmp_path / "keys" / KEY_FILE).chmod(0o640)
    with pytest.raises(Refused) as caught:
        KeySigner(tmp_path / "keys").sign(PAYLOAD, TYPE)
    assert caught.value.code == "key-exposed"


def test_a_broken_key_file_is_an_error_and_is_not_replaced(
    signer: KeySigner, tmp_path: Path
) -> None:
    signer.sign(PAYLOAD, TYPE)
    path = tmp_path / "keys" / KEY_FILE
    path.write_text("nothing")
    with pytest.raises(Invalid) as caught:
        KeySigner(tmp_path / "keys").sign(PAYLOAD, TYPE)
    assert caught.value.code == "bad-key"
    assert path.read_text() == "nothing"


def test_processes_that_start_at_once_end_with_one_key(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from headway.adapters.keys.signer import KeySigner;"
        "k = KeySigner(Path(sys.argv[1])); print('ready', flush=True); sys.stdin.readline();"
        "print(k.keyid())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "keys")]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in running:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    said = {process.communicate(timeout=60)[0].strip() for process in running}
    assert said == {KeySigner(tmp_path / "keys").keyid()}
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [KEY_FILE]


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("in the way")
    with pytest.raises(Failed) as caught:
        KeySigner(tmp_path / "keys").sign(PAYLOAD, TYPE)
    assert caught.value.code == "storage"


def test_the_vector_of_the_dsse_specification_verifies(signer: KeySigner, tmp_path: Path) -> None:
    """secure-systems-lab/dsse protocol.md, test vector: P-256, deterministic nonce, raw r and s."""
    numbers = ec.EllipticCurvePublicNumbers(
        46950820868899156662930047687818585632848591499744589407958293238635476079160,
        5640078356564379163099075877009565129882514886557779369047442380624545832820,
        ec.SECP256R1(),
    )
    raw = base64.b64decode(
        "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="
    )
    r, s = (int.from_bytes(half, "big") for half in (raw[:32], raw[32:]))
    key = numbers.public_key()
    sig = Signature(keyid(key), utils.encode_dss_signature(r, s))
    signer.keyid()
    trust(tmp_path / "keys", "vector.pub", public_pem(key))
    assert signer.verify(
        Envelope("http://example.com/HelloWorld", b"hello world", (sig,))
    ) == keyid(key)


def test_openssl_accepts_the_signature_and_refuses_another_payload(
    signer: KeySigner, tmp_path: Path
) -> None:
    openssl = shutil.which("openssl")
    if not openssl:
        pytest.skip("no openssl command here: the foreign verifier was not asked")
    envelope = signer.sign(PAYLOAD, TYPE)
    (tmp_path / "key.pub").write_text(signer.public_key_pem())
    (tmp_path / "sig").write_bytes(envelope.signatures[0].sig)
    for payload, accepted in ((PAYLOAD, True), (PAYLOAD + b" ", False)):
        (tmp_path / "signed").write_bytes(pae(TYPE, payload))
        command = [openssl, "dgst", "-sha256", "-verify", "key.pub", "-signature", "sig", "signed"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert (done.returncode == 0, "Verified OK" in done.stdout) == (accepted, accepted)


def test_securesystemslib_accepts_the_envelope_and_refuses_another_payload(
    signer: KeySigner,
) -> None:
    own = signer.sign(PAYLOAD, TYPE)
    name = signer.keyid()
    key = SSlibKey(name, "ecdsa", "ecdsa-sha2-nistp256", {"public": signer.public_key_pem()})
    for payload, accepted in ((PAYLOAD, True), (PAYLOAD + b" ", False)):
        written = {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": TYPE,
            "signatures": [
                {"keyid": name, "sig": base64.b64encode(own.signatures[0].sig).decode()}
            ],
        }
        foreign = dsse.Envelope.from_dict(written)
        if accepted:
            assert list(foreign.verify([key], 1)) == [name]
        else:
            with pytest.raises(VerificationError):
                foreign.verify([key], 1)


def test_the_keyid_is_the_hash_of_the_public_key_as_openssl_writes_it(signer: KeySigner) -> None:
    der = base64.b64decode("".join(signer.public_key_pem().splitlines()[1:-1]))
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    assert signer.keyid() == digest.finalize().hex()


def test_a_key_may_be_trusted_for_some_builders_only(signer: KeySigner, tmp_path: Path) -> None:
    other = KeySigner(tmp_path / "other")
    signer.sign(PAYLOAD, TYPE)
    trust(tmp_path / "keys", "other.pub", other.public_key_pem())
    assert signer.speaks_for(other.keyid()) == signer.speaks_for(signer.keyid()) == ()
    trust(tmp_path / "keys", "other.builders", "urn:ci:acme\n\n urn:ci:beta \n")
    assert signer.speaks_for(other.keyid()) == ("urn:ci:acme", "urn:ci:beta")
    assert signer.speaks_for(signer.keyid()) == ()
    trust(tmp_path / "keys", "other.builders", "\n")
    with pytest.raises(Invalid, match="names no builder"):
        signer.speaks_for(other.keyid())
