"""Node's crypto for functions: random bytes, hashes, HMAC, ciphers, signatures. The parent computes, the child waits.

So every request is that of a stranger: it has a size, what it leaves behind has a number, and nothing that it holds
may end the server or stop its other threads for long. Keys are read in `keys`.
"""

import hashlib
import hmac
import itertools
import json
import os
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, utils
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from productfruits.functions.errors import Refused
from productfruits.functions.keys import RSA_BITS, private_key, public_key

Request = dict[str, Any]

#: A request is that long, as JSON: the answer must fit into the buffer that JavaScript reads it from, too.
REQUEST_CHARACTERS = 4_000_000
RANDOM_BYTES = 1024 * 1024
#: Ciphers that one process may have begun and not ended; the oldest goes when there is one more.
OPEN_CIPHERS = 1_000
TAG_BYTES = 16
#: Of GCM, which needs no certain number; the library takes as many.
IV_BYTES = range(8, 129)
SALT_BYTES = range(1_025)
#: So many bytes are put into base64 or taken out at once: other threads wait meanwhile. A multiple of three.
SLICE_BYTES = 49_152
PSS = 6
HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "md5": hashes.MD5,
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
    "sha3-256": hashes.SHA3_256,
    "sha3-512": hashes.SHA3_512,
}


class _Open:
    """A cipher between its beginning and its end."""

    def __init__(self, request: Request) -> None:
        self._decrypts = bool(request["decrypts"])
        name = str(request["algorithm"]).lower()
        parts = name.split("-")
        if len(parts) != 3 or parts[0] != "aes" or parts[2] not in ("cbc", "ctr", "gcm", "ecb"):
            raise Refused("Unknown cipher. Offered are aes-128, -192 and -256 with -cbc, -ctr, -gcm and -ecb.")
        key, iv, self._mode = _bytes(request["key"]), _bytes(request["iv"]), parts[2]
        if len(key) * 8 != int(parts[1] if parts[1].isdigit() else 0):
            raise Refused("Invalid key length")
        if (self._mode in ("cbc", "ctr") and len(iv) != 16) or (self._mode == "gcm" and len(iv) not in IV_BYTES):
            raise Refused("Invalid initialization vector")
        mode: Any = {
            "cbc": lambda: modes.CBC(iv),
            "ctr": lambda: modes.CTR(iv),
            "ecb": lambda: modes.ECB(),  # type: ignore[no-untyped-call] # the library's own annotation is missing
            "gcm": lambda: modes.GCM(iv, None, min_tag_length=4),
        }[self._mode]()
        cipher = Cipher(algorithms.AES(key), mode)
        self._context: Any = cipher.decryptor() if self._decrypts else cipher.encryptor()
        self._pads = self._mode in ("cbc", "ecb")
        self._padding: Any = None
        self._has_begun = False
        self._tag: bytes | None = None

    def add_data(self, data: bytes) -> bytes:
        self._begin()
        if self._padding is None:
            return bytes(self._context.update(data))
        if self._decrypts:
            return bytes(self._padding.update(self._context.update(data)))
        return bytes(self._context.update(self._padding.update(data)))

    def end(self) -> tuple[bytes, bytes]:
        """The last bytes, and the tag of an encryption that has one."""
        self._begin()
        try:
            if self._mode == "gcm" and self._decrypts:
                if self._tag is None:
                    raise Refused("Unsupported state or unable to authenticate data: call setAuthTag() before final().")
                last = self._context.finalize_with_tag(self._tag)
            elif self._padding is None:
                last = self._context.finalize()
            elif self._decrypts:
                last = self._padding.update(self._context.finalize()) + self._padding.finalize()
            else:
                last = self._context.update(self._padding.finalize()) + self._context.finalize()
        except InvalidTag as err:
            raise Refused("Unsupported state or unable to authenticate data") from err
        except ValueError as err:
            raise Refused("wrong final block length, or bad decrypt") from err
        return last, b"" if self._decrypts or self._mode != "gcm" else bytes(self._context.tag)

    def add_aad(self, data: bytes) -> None:
        if self._mode != "gcm":
            raise Refused("Only ciphers with -gcm take additional data.")
        self._context.authenticate_additional_data(data)

    def set_padding(self, on: bool) -> None:
        self._pads = on and self._mode in ("cbc", "ecb")

    def set_tag(self, tag: bytes) -> None:
        if not 4 <= len(tag) <= TAG_BYTES:
            raise Refused("Invalid authentication tag length")
        self._tag = tag

    def _begin(self) -> None:
        """The first data settles whether there is padding."""
        if self._pads and not self._has_begun:
            pkcs7 = padding.PKCS7(128)
            self._padding = pkcs7.unpadder() if self._decrypts else pkcs7.padder()
        self._has_begun = True


class Ciphers:
    """Answers the requests of static/functions/crypto.ts for one process, whose open ciphers it holds."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._numbers = itertools.count(1)

    def reply(self, asked: object) -> str:
        """The answer to a request in JSON, or the error that its function reads: members of a JSON object, as text.

        Raises nothing: whatever was asked for, the server goes on.
        """
        try:
            if not isinstance(asked, str) or len(asked) > REQUEST_CHARACTERS:
                raise Refused("This is more than can be computed at once: 3 MB.")
            # Digits, letters and what base64 has besides: nothing that JSON would write otherwise.
            return f'"value":"{self.answer(json.loads(asked))}"'
        except Refused as err:
            told = str(err)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as err:  # the library is written in Rust, and a panic there is no Exception
            told = f"This cannot be computed ({type(err).__name__}): {err}"
        return f'"error":{json.dumps(told[:500])}'

    def answer(self, request: Request) -> str:
        """The answer as text, bytes in base64. Raises `Refused`."""
        match request["do"]:
            case "random":
                return _text(_random(request["size"]))
            case "hash":
                return _text(_hash(request["algorithm"], _bytes(request["data"])))
            case "hmac":
                name = _digest(request["algorithm"])
                return _text(hmac.digest(_bytes(request["key"]), _bytes(request["data"]), name))
            case "sign":
                return _text(_sign(request))
            case "verify":
                return _text(b"\1" if _verify(request) else b"")
            case "cipher":
                number = str(next(self._numbers))
                self._open[number] = _Open(request)
                if len(self._open) > OPEN_CIPHERS:
                    del self._open[next(iter(self._open))]
                return number
            case "cipher-final":
                last, tag = self._cipher(request, ends=True).end()
                return f"{_text(last)}.{_text(tag)}"
            case "cipher-update":
                return _text(self._cipher(request).add_data(_bytes(request["data"])))
            case "cipher-aad":
                self._cipher(request).add_aad(_bytes(request["data"]))
            case "cipher-padding":
                self._cipher(request).set_padding(bool(request["on"]))
            case "cipher-tag":
                self._cipher(request).set_tag(_bytes(request["data"]))
        return ""

    def _cipher(self, request: Request, *, ends: bool = False) -> _Open:
        found = self._open.pop(request["id"], None) if ends else self._open.get(request["id"])
        if found is None:
            raise Refused("This cipher was ended with final() already, or 1,000 others were begun after it.")
        return found


def _bytes(text: str) -> bytes:
    step = SLICE_BYTES // 3 * 4
    return b"".join(a2b_base64(text[at : at + step]) for at in range(0, len(text), step))


def _text(data: bytes) -> str:
    parts = (b2a_base64(data[at : at + SLICE_BYTES], newline=False) for at in range(0, len(data), SLICE_BYTES))
    return b"".join(parts).decode()


def _random(size: Any) -> bytes:
    if type(size) is not int or not 0 <= size <= RANDOM_BYTES:
        raise Refused("The number of random bytes must be a whole number from 0 to 1 MiB.")
    return os.urandom(size)


def _digest(algorithm: Any) -> str:
    name = str(algorithm).lower().removeprefix("rsa-")
    name = name.replace("sha-", "sha", 1) if name.startswith("sha-") else name
    if name not in HASHES:
        raise Refused(f"Digest method not supported. Offered are {', '.join(HASHES)}.")
    return name


def _hash(algorithm: Any, data: bytes) -> bytes:
    return hashlib.new(_digest(algorithm).replace("-", "_"), data, usedforsecurity=False).digest()


def _sign(request: Request) -> bytes:
    key = _private_key(request)
    data = _bytes(request["data"])
    if isinstance(key, rsa.RSAPrivateKey):
        algorithm = HASHES[_digest(request["algorithm"])]()
        return key.sign(data, _rsa_padding(request, algorithm), algorithm)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        signed = key.sign(data, ec.ECDSA(HASHES[_digest(request["algorithm"])]()))
        if not request["raw"]:
            return signed
        size = (key.curve.key_size + 7) // 8
        return b"".join(number.to_bytes(size, "big") for number in utils.decode_dss_signature(signed))
    if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return key.sign(data)
    raise Refused("Keys of this kind do not sign here. RSA, EC, Ed25519 and Ed448 do.")


def _verify(request: Request) -> bool:
    key = _public_key(request)
    data, signature = _bytes(request["data"]), _bytes(request["signature"])
    if len(signature) > RSA_BITS // 8:
        return False
    try:
        if isinstance(key, rsa.RSAPublicKey):
            algorithm = HASHES[_digest(request["algorithm"])]()
            key.verify(signature, data, _rsa_padding(request, algorithm, verifies=True), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            if request["raw"]:
                half = len(signature) // 2
                numbers = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
                signature = utils.encode_dss_signature(*numbers)
            key.verify(signature, data, ec.ECDSA(HASHES[_digest(request["algorithm"])]()))
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            key.verify(signature, data)
        else:
            raise Refused("Keys of this kind do not verify here. RSA, EC, Ed25519 and Ed448 do.")
    except InvalidSignature:
        return False
    return True


def _rsa_padding(request: Request, algorithm: hashes.HashAlgorithm, *, verifies: bool = False) -> Any:
    if request["padding"] != PSS:
        return rsa_padding.PKCS1v15()
    asked = request["salt_length"]
    longest: Any = rsa_padding.PSS.AUTO if verifies else rsa_padding.PSS.MAX_LENGTH
    length: Any = longest if asked in (None, -2) else algorithm.digest_size if asked == -1 else asked
    if asked not in (None, -1, -2) and not (type(asked) is int and asked in SALT_BYTES):
        raise Refused("The length of the salt must be a whole number from 0 to 1,024.")
    return rsa_padding.PSS(rsa_padding.MGF1(algorithm), length)


def _private_key(request: Request) -> Any:
    return private_key(_bytes(request["key"]), _passphrase(request))


def _public_key(request: Request) -> Any:
    return public_key(_bytes(request["key"]), _passphrase(request))


def _passphrase(request: Request) -> bytes | None:
    return None if request["passphrase"] is None else _bytes(request["passphrase"])
