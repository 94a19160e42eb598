"""Reads the keys that functions sign and verify with. They come from the function, so nothing about them is believed.

The library's own reading holds up every other thread of the server while it counts rounds of a passphrase or looks
for primes, for seconds where a key was made for that. So a key is unwrapped here, by steps whose cost is bounded, and
the library is given only what is one of four kinds; an RSA key is proved by its numbers, which takes no search.
"""

import hashlib
import re
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import padding, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from productfruits.functions.errors import Refused

PEM_BYTES = 32 * 1024
RSA_BITS = 8_192
#: Of an RSA key's public exponent, which is 17 bits in practice: what certificates may have at most.
EXPONENT_BITS = 256
#: A passphrase may be stretched by so many rounds: a few hundredths of a second.
ROUNDS = 100_000
PLAINER = "Change it with: openssl pkcs8 -topk8 -v2 aes256 -iter 2048 -in old.pem -out new.pem"
KINDS = "Keys of this kind are not offered. RSA, EC, Ed25519 and Ed448 are."
NO_PRIVATE = "The private key cannot be read: give it as PEM, with its passphrase if it has one."
NO_PUBLIC = "The public key cannot be read: give it as PEM, or as a certificate in PEM."

#: What the library, or the taking apart here, says of a text that is no key.
UNREADABLE = (ValueError, TypeError, IndexError, UnsupportedAlgorithm, InternalError)

_BEGINS = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02
_OCTETS: Final = 0x04
_OBJECT: Final = 0x06


def _object(text: str) -> bytes:
    """An object identifier as DER has it."""
    first, second, *rest = map(int, text.split("."))
    encoded = [40 * first + second]
    for number in rest:
        sevens = [number >> shift & 0x7F for shift in range(28, -1, -7)]
        while len(sevens) > 1 and not sevens[0]:
            del sevens[0]
        encoded += [each | 0x80 for each in sevens[:-1]] + sevens[-1:]
    return bytes(encoded)


#: The kinds of keys in PKCS #8, by RFC 8017, 5480 and 8410.
_KINDS: Final = frozenset(
    map(_object, ("1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10", "1.2.840.10045.2.1", "1.3.101.112", "1.3.101.113"))
)
#: Of PKCS #5 (RFC 8018): how a key is locked with a passphrase.
_PBES2: Final = _object("1.2.840.113549.1.5.13")
_PBKDF2: Final = _object("1.2.840.113549.1.5.12")
_HMACS: Final = {
    _object("1.2.840.113549.2.7"): "sha1",
    _object("1.2.840.113549.2.8"): "sha224",
    _object("1.2.840.113549.2.9"): "sha256",
    _object("1.2.840.113549.2.10"): "sha384",
    _object("1.2.840.113549.2.11"): "sha512",
}
#: The cipher, its bytes of key, and those of its block.
_LOCKS: Final[dict[bytes, tuple[Callable[[bytes], Any], int, int]]] = {
    _object("2.16.840.1.101.3.4.1.2"): (algorithms.AES, 16, 16),
    _object("2.16.840.1.101.3.4.1.22"): (algorithms.AES, 24, 16),
    _object("2.16.840.1.101.3.4.1.42"): (algorithms.AES, 32, 16),
    _object("1.2.840.113549.3.7"): (TripleDES, 24, 8),
}


def private_key(pem: bytes, passphrase: bytes | None) -> Any:
    """The private key in a PEM text. Raises `Refused`."""
    label, inside = _block(pem, b"PRIVATE KEY", NO_PRIVATE)
    try:
        if label == b"ENCRYPTED PRIVATE KEY":
            if passphrase is None:
                raise Refused("The private key has a passphrase, which was not given.")
            return _of_pkcs8(_unlocked(a2b_base64(inside), passphrase))
        if label == b"PRIVATE KEY":
            return _of_pkcs8(a2b_base64(inside))
        if label not in (b"RSA PRIVATE KEY", b"EC PRIVATE KEY"):
            raise Refused(KINDS)
        # The older forms: they have one kind of key each, and a passphrase costs one round.
        is_locked = b"ENCRYPTED" in inside
        return _loaded(_armoured(label, inside), passphrase if is_locked else None)
    except UNREADABLE as err:
        raise Refused(NO_PRIVATE) from err


def public_key(pem: bytes, passphrase: bytes | None) -> Any:
    """The public key in a PEM text, of a private key, or of a certificate. Raises `Refused`."""
    if b"PRIVATE KEY" in pem:
        return private_key(pem, passphrase).public_key()
    found: Any
    try:
        if b"BEGIN CERTIFICATE" in pem:
            found = x509.load_pem_x509_certificate(_armoured(*_block(pem, b"CERTIFICATE", NO_PUBLIC))).public_key()
        else:
            found = serialization.load_pem_public_key(_armoured(*_block(pem, b"PUBLIC KEY", NO_PUBLIC)))
    except UNREADABLE as err:
        raise Refused(NO_PUBLIC) from err
    if isinstance(found, rsa.RSAPublicKey):
        _check_size(found.key_size)
    return found


def _block(pem: bytes, kind: bytes, otherwise: str) -> tuple[bytes, bytes]:
    """Label and inside of the first block of this kind; others, such as EC PARAMETERS, may stand around it."""
    if len(pem) > PEM_BYTES:
        raise Refused("A key or certificate may have 32 KiB of PEM at most.")
    at = 0
    while begins := _BEGINS.search(pem, at):
        label = begins[1]
        end = pem.find(b"-----END %s-----" % label, begins.end())
        inside = pem[begins.end() : end]
        if end < 0 or b"--" in inside:  # another block inside of it would be read in its place
            break
        if label.endswith(kind):
            return label, inside
        at = end
    raise Refused(otherwise)


def _armoured(label: bytes, inside: bytes) -> bytes:
    return b"-----BEGIN %s-----%s-----END %s-----\n" % (label, inside, label)


def _of_pkcs8(der: bytes) -> Any:
    """The key in PKCS #8. Its kind is looked at first: to read a DSA or DH key takes as long as its numbers say."""
    [(tag, whole)] = _parts(der, 1)
    parts = _parts(whole, 3) if tag == _SEQUENCE else []
    if [tag for tag, _ in parts] != [_INTEGER, _SEQUENCE, _OCTETS]:
        raise Refused(NO_PRIVATE)
    [(tag, kind)] = _parts(parts[1][1], 1)
    if tag != _OBJECT or kind not in _KINDS:
        raise Refused(KINDS)
    return _loaded(_armoured(b"PRIVATE KEY", b"\n" + b2a_base64(der)), None)


def _loaded(pem: bytes, passphrase: bytes | None) -> Any:
    key = serialization.load_pem_private_key(pem, passphrase, unsafe_skip_rsa_key_validation=True)
    if isinstance(key, rsa.RSAPrivateKey):
        _check_size(key.key_size)
        if not _is_whole(key.private_numbers()):
            raise Refused("The numbers of the private key do not belong together.")
    return key


def _check_size(bits: int) -> None:
    if bits > RSA_BITS:
        raise Refused(f"RSA keys may have {RSA_BITS:,} bits at most.")


def _is_whole(its: rsa.RSAPrivateNumbers) -> bool:
    """Whether the numbers belong together: then no arithmetic with them goes astray, be the factors prime or not."""
    n, e = its.public_numbers.n, its.public_numbers.e
    if not (its.p * its.q == n and its.p > 1 and its.q > 1 and n % 2 and e > 1 and e.bit_length() <= EXPONENT_BITS):
        return False
    return (
        its.d < n
        and (its.d * e) % (its.p - 1) == 1
        and (its.d * e) % (its.q - 1) == 1
        and its.dmp1 == its.d % (its.p - 1)
        and its.dmq1 == its.d % (its.q - 1)
        and its.iqmp < its.p
        and (its.iqmp * its.q) % its.p == 1
    )


def _unlocked(der: bytes, passphrase: bytes) -> bytes:
    """What is inside of a PKCS #8 key with a passphrase (RFC 8018: PBES2 with PBKDF2)."""
    [(_, whole)] = _parts(der, 1)
    (_, algorithm), (_, locked) = _parts(whole, 2)
    (_, scheme), *rest = _parts(algorithm, 2)
    if scheme != _PBES2:
        raise Refused(f"This key's passphrase is of an old kind. {PLAINER}")
    (_, derivation), (_, encryption) = _parts(rest[0][1], 2)
    (_, way), *rest = _parts(derivation, 2)
    if way != _PBKDF2:
        raise Refused(f"This key's passphrase is not stretched by PBKDF2. {PLAINER}")
    (_, salt), (_, count), *rest = _parts(rest[0][1], 4)
    rounds = int.from_bytes(count[:8], "big") if len(count) <= 8 else ROUNDS + 1
    if not 0 < rounds <= ROUNDS:
        raise Refused(f"This key's passphrase takes more than {ROUNDS:,} rounds. {PLAINER}")
    hmac = next((_parts(parts, 2)[0][1] for tag, parts in rest if tag == _SEQUENCE), _object("1.2.840.113549.2.7"))
    (_, cipher), (_, iv) = _parts(encryption, 2)
    if hmac not in _HMACS or cipher not in _LOCKS:
        raise Refused(f"This key is locked in a way that is not offered. {PLAINER}")
    lock, key_bytes, block_bytes = _LOCKS[cipher]
    key = hashlib.pbkdf2_hmac(_HMACS[hmac], passphrase, salt, rounds, key_bytes)
    context = Cipher(lock(key), modes.CBC(iv)).decryptor()
    unpadder = padding.PKCS7(block_bytes * 8).unpadder()
    plain = unpadder.update(context.update(locked) + context.finalize())
    return bytes(plain + unpadder.finalize())


def _parts(data: bytes, most: int) -> list[tuple[int, bytes]]:
    """Tag and content of the first of the DER values in a row. Raises ValueError, IndexError."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while at < len(data) and len(found) < most:
        tag, length = data[at], data[at + 1]
        at += 2
        if length >= 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at : at + count], "big") if 0 < count <= 4 else len(data)
            at += count
        if at + length > len(data):
            raise ValueError("cut off")
        found.append((tag, data[at : at + length]))
        at += length
    return found
