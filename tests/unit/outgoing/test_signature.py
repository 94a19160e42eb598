"""Signatures of what leaves, checked by the library that receivers use."""

import datetime as dt

import pytest
import time_machine
from standardwebhooks import Webhook, WebhookVerificationError

from productfruits.outgoing import signature

NOW = dt.datetime(2030, 1, 2, 3, 4, 5, 600_000, tzinfo=dt.timezone(dt.timedelta(hours=2)))
BODY = '{"name": "Zoë"}'.encode()


def test_a_receiver_believes_the_request_under_each_live_secret() -> None:
    old, new, other = (signature.new_secret() for _ in range(3))
    headers = dict(signature.headers("msg_1", BODY, NOW, [new, old]))
    with time_machine.travel(NOW, tick=False):
        assert Webhook(new).verify(BODY, headers) == {"name": "Zoë"}
        assert Webhook(old).verify(BODY, headers) == {"name": "Zoë"}
        for wrong in ({"webhook-id": "msg_2"}, {"webhook-timestamp": "1893546246"}):
            with pytest.raises(WebhookVerificationError):
                Webhook(new).verify(BODY, headers | wrong)
        with pytest.raises(WebhookVerificationError):
            Webhook(new).verify(BODY + b" ", headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(other).verify(BODY, headers)


def test_the_example_of_the_specification_gets_its_signature() -> None:
    at = dt.datetime.fromtimestamp(1614265330, tz=dt.UTC)
    headers = signature.headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', at, ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
    )
    assert headers[2] == ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")


def test_secrets_are_long_and_never_the_same() -> None:
    one, other = signature.new_secret(), signature.new_secret()
    assert one != other and one.startswith("whsec_") and len(one) == 6 + 44
