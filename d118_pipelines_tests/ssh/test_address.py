"""An address is `host`, `host:port` or `[v6]:port`; anything else is a mistake."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d118_pipelines.errors import ConfigurationError
from d118_pipelines.ssh.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("sftp.vendor.example", "sftp.vendor.example", 22),
        ("SFTP.Vendor.Example:2222", "sftp.vendor.example", 2222),
        (" 192.0.2.7 ", "192.0.2.7", 22),
        ("[2001:db8::7]:2222", "2001:db8::7", 2222),
        ("[2001:db8::7]", "2001:db8::7", 22),
        ("2001:db8::7", "2001:db8::7", 22),
        ("localhost:1", "localhost", 1),
        ("host:65535", "host", 65535),
    ],
)
def test_address_is_read(text: str, host: str, port: int) -> None:
    assert parse_address(text) == Address(host, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":22",
        "host:",
        "host:0",
        "host:65536",
        "host:2 2",
        "host:ssh",
        "host:-1",
        "host:²2",
        "sftp://host",
        "user@host",
        "ho st",
        "-host",
        "host/folder",
        "host..example",
        "host.",
        "h" * 64,
        ".".join(["host"] * 60),
        "[host]:22",
        "[2001:db8::7",
        "[2001:db8::7]22",
        "[2001:db8::7]:",
        "2001:db8::zz",
        "a:b:c",
    ],
)
def test_mistake_is_a_configuration_error(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"\$SFE_SFTP_ADDRESS is not an"):
        parse_address(text, describe="$SFE_SFTP_ADDRESS")


def test_value_of_a_mistaken_address_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_address("account:canary-Passw0rd@host")

    assert "canary" not in str(caught.value)


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_configuration_error(text: str) -> None:
    try:
        address = parse_address(text)
    except ConfigurationError:
        return
    assert parse_address(str(address)) == address
