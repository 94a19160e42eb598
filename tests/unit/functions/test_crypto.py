"""`crypto` as a function finds it: digests, ciphers and signatures, as Node's give them."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from productfruits.functions.runtime import Sandbox
from tests.unit.functions.sandboxes import value


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            "return crypto.createHash('sha256').update('a').update(Buffer.from('bc')).digest('hex')",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            "return crypto.createHmac('sha1', 'key').update('The quick brown fox jumps over the lazy"
            " dog').digest('base64')",
            base64.b64encode(bytes.fromhex("de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9")).decode(),
        ),
        (
            "return crypto.createHash('md5').update('é', 'latin1').copy().digest('hex')",
            "3406877694691ddd1dfb0aca54681407",
        ),
        # FIPS 197, appendix B, without padding.
        (
            "const c = crypto.createCipheriv('aes-128-ecb', Buffer.from('2b7e151628aed2a6abf7158809cf4f3c',"
            " 'hex'), null);"
            " c.setAutoPadding(false); return c.update('3243f6a8885a308d313198a2e0370734', 'hex', 'hex') +"
            " c.final('hex')",
            "3925841d02dc09fbdc118597196a0b32",
        ),
        (
            "const k = crypto.randomBytes(32), iv = crypto.randomBytes(16); const c ="
            " crypto.createCipheriv('aes-256-cbc', k, iv);"
            " const x = c.update('grüße', 'utf8', 'base64') + c.final('base64');"
            " const d = crypto.createDecipheriv('aes-256-cbc', k, iv); return d.update(x, 'base64', 'utf8')"
            " + d.final('utf8')",
            "grüße",
        ),
        (
            "const k = Buffer.alloc(16), iv = Buffer.alloc(12); const c = crypto.createCipheriv('aes-128-gcm', k, iv);"
            " c.setAAD(Buffer.from('h')); const x = Buffer.concat([c.update('m'), c.final()]); const t ="
            " c.getAuthTag();"
            " const d = crypto.createDecipheriv('aes-128-gcm', k, iv); d.setAAD(Buffer.from('h')); d.setAuthTag(t);"
            " return d.update(x, undefined, 'utf8') + d.final('utf8')",
            "m",
        ),
        (
            "return [crypto.randomUUID().length, crypto.randomInt(3) < 3,"
            " crypto.timingSafeEqual(Buffer.from('a'), Buffer.from('a'))]",
            [36, True, True],
        ),
    ],
)
def test_crypto(sandbox: Sandbox, body: str, expected: object) -> None:
    assert value(sandbox, body) == expected


def test_signatures(sandbox: Sandbox) -> None:
    keys = _keys()
    body = """
        const out = [];
        for (const [kind, pem] of Object.entries(event.private)) {
          const one = kind === 'ed' ? null : 'RSA-SHA256';
          const signed = crypto.sign(one, Buffer.from('data'), pem);
          out.push(crypto.verify(one, Buffer.from('data'), event.public[kind], signed));
          out.push(crypto.verify(one, Buffer.from('date'), event.public[kind], signed));
        }
        const pss = { key: event.private.rsa, padding: crypto.constants.RSA_PKCS1_PSS_PADDING };
        const signature = crypto.createSign('sha256').update('a').sign(pss, 'base64');
        const verify = crypto.createVerify('sha256').update('a');
        out.push(verify.verify({ ...pss, key: event.public.rsa }, signature, 'base64'));
        return out;
    """
    assert value(sandbox, body, keys) == [True, False, True, False, True, False, True]


def _keys() -> dict[str, dict[str, str]]:
    made: dict[str, Any] = {
        "rsa": rsa.generate_private_key(65537, 2048),
        "ec": ec.generate_private_key(ec.SECP256R1()),
        "ed": ed25519.Ed25519PrivateKey.generate(),
    }
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return {
        "private": {
            kind: key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain).decode()
            for kind, key in made.items()
        },
        "public": {
            kind: key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
            for kind, key in made.items()
        },
    }
