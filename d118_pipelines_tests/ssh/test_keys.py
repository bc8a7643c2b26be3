"""Every format of private key is read; every mistake is named, with its remedy."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as ser

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.ssh.keys import load_private_key
from d118_pipelines_tests.ssh.key_files import (
    ALL,
    FORMATS,
    PASSPHRASE,
    KeyFiles,
    make_private_key,
)


@pytest.mark.parametrize(("kind", "form", "protected"), ALL)
def test_key_is_read_in_each_format(
    key_files: KeyFiles, kind: str, form: str, protected: bool
) -> None:
    passphrase = PASSPHRASE if protected else None

    key = load_private_key(key_files.path(kind, form, protected), passphrase)

    text = f"{key.get_name()} {key.get_base64()}"
    assert text == key_files.public[kind]
    assert key.can_sign()


def test_passphrase_that_is_not_needed_does_no_harm(key_files: KeyFiles) -> None:
    path = key_files.path("ed25519", "OPENSSH", False)

    assert load_private_key(path, PASSPHRASE).can_sign()


def test_a_key_that_others_can_read_is_refused_with_the_command_to_type(
    key_files: KeyFiles, tmp_path: Path
) -> None:
    path = tmp_path / "private.pem"
    shutil.copy(key_files.path("ed25519", "OPENSSH", False), path)
    path.chmod(0o640)

    with pytest.raises(ConfigurationError, match="can be read by others") as caught:
        load_private_key(path, None)

    assert f"chmod 600 {path}" in str(caught.value)
    path.chmod(0o400)
    assert load_private_key(path, None).can_sign()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("passphrase", [None, ""])
def test_missing_passphrase_is_said(
    key_files: KeyFiles, form: str, passphrase: str | None
) -> None:
    path = key_files.path("rsa", form, True)

    with pytest.raises(ConfigurationError, match="no passphrase is set") as caught:
        load_private_key(path, passphrase)

    assert str(path) in str(caught.value)


@pytest.mark.parametrize("form", FORMATS)
def test_wrong_passphrase_is_said_and_not_shown(key_files: KeyFiles, form: str) -> None:
    path = key_files.path("ecdsa", form, True)

    with pytest.raises(ConfigurationError, match="another passphrase") as caught:
        load_private_key(path, "canary-wrong")

    assert "canary-wrong" not in str(caught.value)
    assert f"ssh-keygen -y -f {path}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("ssh-ed25519 AAAAcanary comment\n", "a public key"),
        ("ecdsa-sha2-nistp256 AAAAcanary\n", "a public key"),
        ("\n-----BEGIN PUBLIC KEY-----\nAAAAcanary\n", "a public key"),
        ("---- BEGIN SSH2 PUBLIC KEY ----\nAAAAcanary\n", "a public key"),
        ("-----BEGIN CERTIFICATE-----\nAAAAcanary\n", "a certificate"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\ncanary\n", "PuTTY's own format"),
        ("-----BEGIN RSA PRIVATE KEY-----\nAAAAcanary\n", "damaged"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAAcanary\n", "damaged"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAA\n", "damaged"),
        ("canary", "damaged"),
        ("", "damaged"),
    ],
)
def test_wrong_file_is_named_without_its_contents(
    tmp_path: Path, text: str, what: str
) -> None:
    path = tmp_path / "private.pem"
    path.write_text(text, encoding="ascii")

    with pytest.raises(ConfigurationError, match=what) as caught:
        load_private_key(path, None)

    assert str(path) in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("kind", ["dsa", "koblitz", "ed448"])
def test_kind_that_is_not_supported_is_said(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "private.pem"
    key = make_private_key(kind)
    data = key.private_bytes(
        ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption()
    )
    path.write_bytes(data)

    with pytest.raises(ConfigurationError, match="not supported"):
        load_private_key(path, None)


def test_old_dsa_key_of_openssh_is_not_supported(tmp_path: Path) -> None:
    path = tmp_path / "id_dsa"
    command = ["ssh-keygen", "-q", "-t", "dsa", "-N", "", "-f", str(path)]
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not installed")
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("this ssh-keygen makes no DSA keys any more")

    with pytest.raises(ConfigurationError, match="not supported"):
        load_private_key(path, None)


@pytest.mark.parametrize("name", ["absent.pem", "."])
def test_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read") as caught:
        load_private_key(tmp_path / name, None)

    assert str(tmp_path / name) in str(caught.value)
