"""Secrets of providers: variables, fernet values, keys, rotation."""

from __future__ import annotations

import io
from pathlib import Path
from unittest.mock import patch

import pytest
from cryptography.fernet import Fernet

from d118_pipelines.config.providers import FILE
from d118_pipelines.config.secrets import resolved
from d118_pipelines.errors import ConfigurationError, MissingSecretError
from d118_pipelines.state import database as db
from d118_pipelines_tests.support.project import Answer, ProjectFolder

SECRET = "canary-secret-4711"
ENTRY = {
    "id": "files",
    "type": "ONEROSTER_CSV",
    "name": "Files",
    "config": {
        "sftp": {"host": "sftp.example", "username": "d118", "password": "${PASSWORD}"},
        "remotePath": "out",
    },
}


@pytest.fixture
def project(tmp_path: Path) -> ProjectFolder:
    folder = ProjectFolder(tmp_path / "project", [])
    folder.set_providers(ENTRY)
    return folder


def new_key(project: ProjectFolder) -> str:
    return project.d118("secrets", "new-key").out.strip()


def encrypt(project: ProjectFolder, value: str, **more: str) -> Answer:
    """`d118 secrets encrypt` with the value on a pipe."""
    with patch("sys.stdin", io.StringIO(f"{value}\n")):
        return project.d118("secrets", "encrypt", **more)


def put(project: ProjectFolder, token: str) -> Path:
    """Write the token in place of the variable; returns the file."""
    project.edit(FILE, "${PASSWORD}", token)
    return project.root / FILE


def test_a_variable_is_read_when_it_is_needed(project: ProjectFolder) -> None:
    with project.entered(NAME=SECRET):
        assert resolved("${NAME}", needed_for="a test") == SECRET
    with project.entered(), pytest.raises(MissingSecretError) as caught:
        resolved("${NAME}", needed_for="the provider files")

    assert "NAME is not set." in str(caught.value)
    assert "needed for the provider files" in str(caught.value)


def test_a_value_goes_in_encrypted_and_comes_out_as_it_was(
    project: ProjectFolder,
) -> None:
    key = new_key(project)

    said = encrypt(project, "päss wörd ${NAME}", ENCRYPTION_KEY=key)

    assert said.code == 0
    assert "wörd" not in said.out + said.err
    with project.entered(ENCRYPTION_KEY=key):
        assert resolved(said.out.strip(), needed_for="a test") == "päss wörd ${NAME}"


def test_a_key_may_stand_in_a_file_of_its_owner(project: ProjectFolder) -> None:
    path = project.root / "key"
    path.write_text(new_key(project) + "\n", "ascii")

    path.chmod(0o640)
    open_to_all = encrypt(project, SECRET, ENCRYPTION_KEY_FILE=str(path))
    path.chmod(0o600)
    good = encrypt(project, SECRET, ENCRYPTION_KEY_FILE=str(path))

    assert open_to_all.code == 2
    assert "key can be read by others (mode" in open_to_all.err
    assert "Next: chmod 600 key" in open_to_all.err
    assert good.code == 0
    assert good.out.startswith("fernet:")


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({}, "Neither ENCRYPTION_KEY nor ENCRYPTION_KEY_FILE is set."),
        ({"ENCRYPTION_KEY": SECRET}, "has something in it that is not a key."),
        ({"ENCRYPTION_KEY_FILE": "nowhere"}, "The key file nowhere cannot be read"),
    ],
)
def test_without_a_usable_key_nothing_is_encrypted(
    project: ProjectFolder, variables: dict[str, str], says: str
) -> None:
    said = encrypt(project, SECRET, **variables)

    assert said.code == 2
    assert says in said.err
    assert SECRET not in said.err + said.out


def test_another_key_opens_nothing_and_says_which_line(project: ProjectFolder) -> None:
    token = encrypt(project, SECRET, ENCRYPTION_KEY=new_key(project)).out.strip()
    put(project, token)
    other = new_key(project)

    tested = project.d118("test-connection", "files", ENCRYPTION_KEY=other)
    verified = project.d118("secrets", "verify", ENCRYPTION_KEY=other)

    assert tested.code == 2
    assert "A fernet value cannot be decrypted with any key" in tested.err
    assert "(the provider files)" in tested.err
    assert verified.code == 2
    assert f"Where: {FILE}:9" in verified.err


def test_rotation_makes_tokens_anew_and_keeps_every_other_byte(
    project: ProjectFolder,
) -> None:
    old, new = new_key(project), new_key(project)
    path = put(project, encrypt(project, SECRET, ENCRYPTION_KEY=old).out.strip())
    text = "\ufeff# Schlüssel\r\n" + path.read_text("utf-8") + "# end, no newline\t "
    path.write_bytes(text.encode())
    path.chmod(0o640)
    token = next(w for w in text.split() if w.startswith("fernet:"))

    said = project.d118("secrets", "rotate", ENCRYPTION_KEY=f"{new},{old}")

    assert said.code == 0
    assert "1 values" in said.out
    after = path.read_bytes().decode()
    renewed = next(w for w in after.split() if w.startswith("fernet:"))
    assert after == text.replace(token, renewed)
    assert renewed != token
    value = Fernet(new).decrypt(renewed.removeprefix("fernet:")).decode()
    assert value == SECRET
    assert path.stat().st_mode & 0o777 == 0o640
    [audited] = [r for r in project.rows(db.audit_log) if "secrets" in r.action]
    assert audited.detail == "1 values"


def test_a_rotation_that_fails_changes_nothing(project: ProjectFolder) -> None:
    path = put(
        project, encrypt(project, SECRET, ENCRYPTION_KEY=new_key(project)).out.strip()
    )
    before = path.read_bytes()

    said = project.d118("secrets", "rotate", ENCRYPTION_KEY=new_key(project))

    assert said.code == 2
    assert path.read_bytes() == before
    assert list(path.parent.glob(".*")) == []


def test_a_broken_token_is_a_wrong_value_and_no_crash(project: ProjectFolder) -> None:
    key = new_key(project)

    with project.entered(ENCRYPTION_KEY=key), pytest.raises(ConfigurationError):
        resolved("fernet:AAAA", needed_for="a test")
