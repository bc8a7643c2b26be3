"""One webhook on its way: signatures, refused addresses, receivers that never answer."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterator

import pytest
from standardwebhooks import Webhook

from d118_pipelines.delivery.webhooks import send, signed
from d118_pipelines.errors import (
    ConfigurationError,
    ConnectionLostError,
    DestinationError,
)
from d118_pipelines.kernel.addresses import is_public
from d118_pipelines_tests.support.webhook_receiver import Receiver, running_receiver

HERE = ("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with running_receiver(tmp_path_factory.mktemp("receiver")) as running:
        yield running


@pytest.mark.parametrize(
    ("secret", "key"),
    [
        ("a-text-of-sixteen-bytes", b"a-text-of-sixteen-bytes"),
        (f"whsec_{base64.b64encode(bytes(24)).decode()}", bytes(24)),
    ],
)
def test_both_signatures_are_over_the_bytes_that_are_sent(
    secret: str, key: bytes
) -> None:
    now = dt.datetime.now(dt.UTC)
    body = {"id": "1", "timestamp": now.isoformat(), "step": "Größe"}

    raw, headers = signed(body, secret, int(now.timestamp()))

    assert Webhook(key).verify(raw, headers) == body
    assert list(json.loads(raw)) == sorted(body)
    assert headers["X-Webhook-Id"] == "1"


@pytest.mark.parametrize("secret", ["5hort", "whsec_!!!!!!!!!!!!!!!!!!", "whsec_AAAA"])
def test_a_weak_secret_is_refused(secret: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        signed({"id": "1", "timestamp": ""}, secret, 0)

    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("93.184.215.14", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:10.0.0.1", False),
        ("2002:a00:1::", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::5db8:d70e", True),
    ],
)
def test_only_addresses_of_the_open_internet_are_public(
    address: str, answer: bool
) -> None:
    assert is_public(address) is answer


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:1/x",
        "https://localhost/x",  # by its name, after DNS
        "https://2130706433/x",  # the loopback in another notation
        "https://[::ffff:169.254.169.254]/x",
        "http://receiver.example/x",  # in clear text
        "file:///etc/passwd",
        "https://user:pw@receiver.example/x",
    ],
)
def test_an_address_that_may_not_be_asked_is_refused(url: str) -> None:
    with pytest.raises(DestinationError):
        send(url)


def test_a_private_host_is_told_where_it_is_listed(receiver: Receiver) -> None:
    assert send(receiver.url("/ok?a=1"), body=b"x", private_hosts=HERE) == 204
    assert receiver.got()[-1]["path"] == "/ok?a=1"


def test_no_redirect_is_followed(receiver: Receiver) -> None:
    before = len(receiver.got())

    assert send(receiver.url("/redirect"), body=b"x", private_hosts=HERE) == 302

    assert [one["path"] for one in receiver.got()[before:]] == ["/redirect"]


@pytest.mark.parametrize("path", ["/silent", "/drip"])
def test_a_receiver_that_never_ends_an_answer_is_cut_off(
    receiver: Receiver, path: str
) -> None:
    with pytest.raises(ConnectionLostError) as caught:
        send(receiver.url(path), body=b"x", private_hosts=HERE, seconds=0.3)

    assert path not in str(caught.value), "the path of a webhook is a credential"


def test_a_certificate_that_nobody_knows_is_not_trusted(receiver: Receiver) -> None:
    url = receiver.url().replace("http:", "https:")

    with pytest.raises(ConnectionLostError):
        send(url, body=b"x", private_hosts=HERE)
