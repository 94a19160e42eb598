"""Keys that functions hand over: every form that Node reads, and none whose reading could hold up the server."""

import base64
import datetime as dt
import json
import math
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.x509.oid import NameOID

from productfruits.functions import keys
from productfruits.functions.ciphers import Ciphers

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
OLDER = serialization.PrivateFormat.TraditionalOpenSSL
PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo
PLAIN = serialization.NoEncryption()
WORD = b"open sesame"
RSA = rsa.generate_private_key(65537, 1024)
EC = ec.generate_private_key(ec.SECP256R1())
RSA_OBJECT = "06092a864886f70d0101010500"


def tlv(tag: int, *contents: bytes) -> bytes:
    """A DER value."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def integer(value: int) -> bytes:
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def armoured(label: str, der: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n".encode()


def rsa_pem(*numbers: int) -> bytes:
    return armoured("RSA PRIVATE KEY", tlv(0x30, integer(0), *map(integer, numbers)))


def rsa_of(p: int, q: int, e: int = 65537) -> tuple[int, ...]:
    """All numbers of a key with these factors."""
    d = pow(e, -1, math.lcm(p - 1, q - 1))
    return p * q, e, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p)


def request(do: str, key: bytes, passphrase: bytes | None = None, **more: Any) -> dict[str, Any]:
    """What comes of it: `value` or `error`."""
    asked = {
        "do": do,
        "algorithm": "sha256",
        "data": base64.b64encode(b"data").decode(),
        "key": base64.b64encode(key).decode(),
        "passphrase": None if passphrase is None else base64.b64encode(passphrase).decode(),
        "padding": None,
        "salt_length": None,
        "raw": False,
        "signature": "",
        **more,
    }
    answer: dict[str, Any] = json.loads(f"{{{Ciphers().reply(json.dumps(asked))}}}")
    return answer


def locked(rounds: int, derivation: str = "06092a864886f70d01050c", scheme: str = "06092a864886f70d01050d") -> bytes:
    """A key in PKCS #8 with a passphrase that is stretched so; there is nothing behind it."""
    stretched = tlv(0x30, bytes.fromhex(derivation), tlv(0x30, tlv(4, bytes(8)), integer(rounds)))
    cipher = tlv(0x30, bytes.fromhex("060960864801650304012a"), tlv(4, bytes(16)))
    algorithm = tlv(0x30, bytes.fromhex(scheme), tlv(0x30, stretched, cipher))
    return armoured("ENCRYPTED PRIVATE KEY", tlv(0x30, algorithm, tlv(4, bytes(64))))


@pytest.mark.parametrize(
    "key",
    [RSA, EC, ec.generate_private_key(ec.SECP521R1()), ed25519.Ed25519PrivateKey.generate(),
     ed448.Ed448PrivateKey.generate()],
    ids=["rsa", "p-256", "p-521", "ed25519", "ed448"],
)  # fmt: skip
def test_every_kind_and_form_signs_and_verifies(key: Any) -> None:
    forms = [(key.private_bytes(PEM, PKCS8, PLAIN), None), (key.private_bytes(PEM, PKCS8, PLAIN), WORD)]
    forms += [(key.private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(WORD)), WORD)]
    if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        forms += [(key.private_bytes(PEM, OLDER, PLAIN), None)]
        forms += [(key.private_bytes(PEM, OLDER, serialization.BestAvailableEncryption(WORD)), WORD)]
    public = key.public_key().public_bytes(PEM, PUBLIC)
    for form, passphrase in forms:
        signed = request("sign", form, passphrase)["value"]
        assert request("verify", public, signature=signed) == {"value": "AQ=="}
        assert request("verify", form, passphrase, signature=signed) == {"value": "AQ=="}
        assert request("verify", public, signature=signed, data="") == {"value": ""}
    assert "cannot be read" in request("sign", forms[2][0], b"wrong")["error"]
    assert "was not given" in request("sign", forms[2][0])["error"]


# Made with OpenSSL 3.0: `openssl genrsa 512 | openssl pkcs8 -topk8 -passout pass:x …`, as guides have their readers do.
DES3 = b"""-----BEGIN ENCRYPTED PRIVATE KEY-----
MIIBtDBOBgkqhkiG9w0BBQ0wQTApBgkqhkiG9w0BBQwwHAQIGqEaMfExt4QCAggA
MAwGCCqGSIb3DQIJBQAwFAYIKoZIhvcNAwcECFqGtwZZePtrBIIBYEPfZhbAemlQ
lAbPIwd7HcLEKuUwpCC4kdqlUis5F2pznVbJRITcrug8BzemEUtHHPtnQeKLJozp
ZEE4q2k/oql2Vtw0uxuXsOPHCLt9vYtd9kb8/cUHG7WxaexZBsbDQBPLXRbVSIa3
uew/vsq78J54kBDSfF93tEqLWI8o2GWtvbwudLgu0iNNMVz8kn4Shd1ovXu07krz
19Kay/UQsYfu8BvMmCNMeHvZ7Q7qN0sI20FLeg0+MmUXchwGN+qTA1RIaOtAQBIZ
isHfmi5948rBPms6yehspgZhP2I7m/dU861d0fYyIruvPjGi/ca13ieDy9kqGz2J
QMQzxCuNvYBqB11y+UO3Vorgz85fwJFnEmXJj+dhEIbDwhqnPfIxa91jK0RXCij1
5Jkr6D+g+W4W7Cm0drpxphXwqtQp4XXEQD5wZodapHN/inr+ZOOmDMLng+z61krL
1kz5V1DFB4I=
-----END ENCRYPTED PRIVATE KEY-----
"""
SHA1 = b"""-----BEGIN ENCRYPTED PRIVATE KEY-----
MIIBrzBJBgkqhkiG9w0BBQ0wPDAbBgkqhkiG9w0BBQwwDgQIskIzvoH4E/kCAggA
MB0GCWCGSAFlAwQBAgQQLN1BetU4iuVNoHoXzXF42QSCAWBlF4AF/A0ijibLMA6m
Hd3A42ALhTOPWrrR8PwBFN9AHDe0IQnefclFx8F6exU7dNcFb6APDeVH/3S1E61o
ZKptsdVDpuhTuuUPNcTCe42+T7l3d4LKrNB7O5FcM+F0Hh6fGNm3MfwcX8QV5O/t
pLIYeVQk0FouRYEJFJtCucK+/CtoCeJdniZ1OapJrflDwrmey8qHqtGCDXPnQD4R
rmKSKBgAlspPWB6mPapADpBpWGoiM+AH33ccUZJBeYWM6M10oVRdvqcBq+E3I61k
Eq6H5WI3/JpCop7qsTJuugeUzLDfHju6EIplmBvoZtT7kEkShhOInEI7yjdQ5Yns
YfHru8I1EJfTt/+9nQiXOEyrEFEroulD6lkcuEjSO/gwpfCwTsd6fB4hy9r3kNvG
1i6j8+P3EnDp2KCfB5UcCSBzdqtwN5lChdMBzZeUS2yWUp8BvdM244mjp0Ifymzk
O+xN
-----END ENCRYPTED PRIVATE KEY-----
"""


@pytest.mark.parametrize("key", [DES3, SHA1], ids=["-v2 des3", "-v2prf hmacWithSHA1"])
def test_passphrases_of_older_guides_are_read(key: bytes) -> None:
    assert len(base64.b64decode(request("sign", key, b"x")["value"])) == 64


def test_a_certificate_verifies_and_so_does_a_key_among_other_blocks() -> None:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = x509.CertificateBuilder(name, name, EC.public_key(), 1, day, day + dt.timedelta(days=1))
    certificate = made.sign(EC, hashes.SHA256()).public_bytes(PEM)
    own = EC.private_bytes(PEM, OLDER, PLAIN)
    parameters = armoured("EC PARAMETERS", bytes.fromhex("06082a8648ce3d030107"))
    signed = request("sign", parameters + own + certificate)["value"]
    assert request("verify", certificate + certificate, signature=signed) == {"value": "AQ=="}


@pytest.mark.parametrize(
    ("key", "told"),
    [
        (b"", "cannot be read"),
        (b"no key", "cannot be read"),
        (b"-----BEGIN RSA PRIVATE KEY-----", "cannot be read"),
        (b"-----BEGIN A PRIVATE KEY-----" * 1_000, "cannot be read"),
        (armoured("PRIVATE KEY", b""), "cannot be read"),
        (armoured("PRIVATE KEY", bytes.fromhex("3082")), "cannot be read"),
        (armoured("PRIVATE KEY", bytes.fromhex("30ff")), "cannot be read"),
        (armoured("PRIVATE KEY", bytes.fromhex("0500")), "cannot be read"),
        (b"-----BEGIN PRIVATE KEY-----\n\xff\xfe!\n-----END PRIVATE KEY-----", "cannot be read"),
        (armoured("ENCRYPTED PRIVATE KEY", bytes.fromhex("300430023000")), "cannot be read"),
        (armoured("PUBLIC KEY", b"x"), "cannot be read"),
        (armoured("OPENSSH PRIVATE KEY", b"openssh-key-v1\0"), "not offered"),
        (b"-----BEGIN RSA PRIVATE KEY-----\n" + b"A" * 33_000 + b"\n-----END RSA PRIVATE KEY-----", "32 KiB"),
        # The block inside would be what the library reads.
        (b"-----BEGIN RSA PRIVATE KEY-----\n" + EC.private_bytes(PEM, OLDER, PLAIN)
         + b"-----END RSA PRIVATE KEY-----", "cannot be read"),
        (locked(2_048), "cannot be read"),
        (locked(100_001), "more than 100,000 rounds"),
        (locked(2**31), "more than 100,000 rounds"),
        (locked(2**200), "more than 100,000 rounds"),
        (locked(0), "more than 100,000 rounds"),
        (locked(1, derivation="06092b06010401da47040b"), "not stretched by PBKDF2"),  # scrypt
        (locked(1, scheme="060a2a864886f70d010c0103"), "of an old kind"),
    ],
)  # fmt: skip
def test_what_is_no_key_says_so(key: bytes, told: str) -> None:
    assert told in request("sign", key, b"x")["error"]


def test_keys_of_other_kinds_are_not_even_read() -> None:
    """To read them takes as long as their numbers say: powers of them are made, primes looked for among them."""
    big = 2**30_000 - 1
    parameters = {"06072a8648ce380401": (big, 2**256 - 189, big - 2), "06092a864886f70d010301": (big, big - 2)}
    for kind, numbers in parameters.items():
        algorithm = tlv(0x30, bytes.fromhex(kind), tlv(0x30, *map(integer, numbers)))
        hostile = tlv(0x30, integer(0), algorithm, tlv(4, integer(big - 4)))
        assert request("sign", armoured("PRIVATE KEY", hostile))["error"] == keys.KINDS
    other = x25519.X25519PrivateKey.generate().private_bytes(PEM, PKCS8, PLAIN)
    older = armoured("DSA PRIVATE KEY", tlv(0x30, integer(0), *map(integer, (23, 11, 4, 2, 1))))
    for key in (other, older):
        assert request("sign", key)["error"] == keys.KINDS


def test_an_rsa_key_has_a_size() -> None:
    def public(bits: int) -> bytes:
        numbers = tlv(0x30, integer(2**bits - 1), integer(65537))
        return armoured("PUBLIC KEY", tlv(0x30, tlv(0x30, bytes.fromhex(RSA_OBJECT)), tlv(3, b"\0", numbers)))

    assert request("verify", public(8_192)) == {"value": ""}
    for bits in (8_193, 90_000):
        assert request("verify", public(bits))["error"] == "RSA keys may have 8,192 bits at most."
    private = rsa_pem(2**8_193 - 1, 65537, 5, 2**4_096 - 1, 2**4_097 - 1, 1, 1, 1)
    assert request("sign", private)["error"] == "RSA keys may have 8,192 bits at most."


def test_numbers_that_do_not_belong_together_are_no_key() -> None:
    its = RSA.private_numbers()
    good = (its.public_numbers.n, its.public_numbers.e, its.d, its.p, its.q, its.dmp1, its.dmq1, its.iqmp)
    assert "value" in request("sign", rsa_pem(*good))
    for at in range(len(good)):
        for wrong in (good[at] + 2, 0, 1, 2**512 - 1):
            changed = (*good[:at], wrong, *good[at + 1 :])
            assert "error" in request("sign", rsa_pem(*changed)), (at, wrong)
    # Small for its size, and a factor that it would take minutes to look at.
    assert "belong together" in request("sign", rsa_pem(15, 3, 3, 2**60_000 - 1, 5, 1, 3, 2))["error"]
    assert "error" in request("sign", rsa_pem(*(0,) * 8))
    assert "error" in request("sign", rsa_pem(*(1,) * 8))


def test_factors_that_are_no_primes_sign_something_or_nothing() -> None:
    """Nobody looks for primes here, since that takes seconds; so the arithmetic has to come to an end without."""
    done = 0
    for step in range(0, 400, 2):
        p, q = 3**323 + step, 5**221 + step
        if math.gcd(65537, (p - 1) * (q - 1)) == math.gcd(p, q) == 1:
            assert set(request("sign", rsa_pem(*rsa_of(p, q)))) <= {"value", "error"}
            done += 1
    assert done > 10


@pytest.mark.parametrize("length", [-3, 1_025, 10**30, 1.5, "8", [], True])
def test_the_salt_of_a_signature_has_a_length(length: object) -> None:
    own = RSA.private_bytes(PEM, PKCS8, PLAIN)
    assert "salt" in request("sign", own, padding=6, salt_length=length)["error"]
    assert "salt" in request("verify", own, padding=6, salt_length=length)["error"]


@pytest.mark.parametrize("length", [None, -1, -2, 0, 20])
def test_salts_of_every_length_that_node_has(length: int | None) -> None:
    own = RSA.private_bytes(PEM, PKCS8, PLAIN)
    signed = request("sign", own, padding=6, salt_length=length)["value"]
    assert request("verify", own, padding=6, salt_length=length, signature=signed) == {"value": "AQ=="}
    assert "too" in request("sign", own, padding=6, salt_length=1_000)["error"]


@pytest.mark.parametrize("raw", [True, False])
def test_a_signature_of_any_size_is_none(raw: bool) -> None:
    own = EC.public_key().public_bytes(PEM, PUBLIC)
    for size in (0, 1, 64, 1_025, 2_000_000):
        signature = base64.b64encode(bytes(size)).decode()
        assert request("verify", own, raw=raw, signature=signature) == {"value": ""}
