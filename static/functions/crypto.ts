// Node's crypto module as far as functions use it. Each call is a request to the parent, which computes and answers.

import { Buffer } from "buffer";
import { bytesOf, complete } from "./encoding";
import { compute } from "./host";

type Encoding = string | undefined;

function bytes(data: unknown, encoding?: Encoding): Buffer {
  if (typeof data === "string") return Buffer.from(data, (encoding === "buffer" || !encoding ? "utf8" : encoding) as "utf8");
  if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) return bytesOf(data);
  throw new TypeError("The data must be text, a Buffer or another array of bytes.");
}

function out(data: Buffer, encoding?: Encoding): Buffer | string {
  return encoding && encoding !== "buffer" ? data.toString(encoding as "hex") : data;
}

function ask(request: Record<string, unknown>): Buffer {
  return Buffer.from(compute(request), "base64");
}

const base64 = (data: unknown, encoding?: Encoding): string => bytes(data, encoding).toString("base64");

class Collector {
  protected chunks: Buffer[] = [];
  protected ended = false;

  update(data: unknown, encoding?: Encoding): this {
    if (this.ended) throw new Error("Digest already called");
    this.chunks.push(Buffer.from(bytes(data, encoding)));
    return this;
  }

  write(data: unknown, encoding?: Encoding): this {
    return this.update(data, encoding);
  }

  end(data?: unknown, encoding?: Encoding): this {
    return data === undefined ? this : this.update(data, encoding);
  }

  protected all(): string {
    return Buffer.concat(this.chunks).toString("base64");
  }
}

/** Names of hashes that the parent has computed. */
const known = new Set<unknown>();

class Hash extends Collector {
  constructor(private readonly request: Record<string, unknown>) {
    super();
    if (known.has(request.algorithm)) return;
    ask({ ...request, data: "" }); // says at once whether the algorithm is known
    known.add(request.algorithm);
  }

  digest(encoding?: Encoding): Buffer | string {
    if (this.ended) throw new Error("Digest already called");
    this.ended = true;
    return out(ask({ ...this.request, data: this.all() }), encoding);
  }

  copy(): Hash {
    const copy = new Hash(this.request);
    copy.chunks = [...this.chunks];
    return copy;
  }
}

interface Key {
  key: unknown;
  passphrase?: unknown;
  padding?: number;
  saltLength?: number;
  dsaEncoding?: string;
}

function keyed(key: unknown): Record<string, unknown> {
  const given: Key = typeof key === "object" && key !== null && "key" in key ? (key as Key) : { key };
  return {
    key: base64(given.key),
    passphrase: given.passphrase === undefined ? null : base64(given.passphrase),
    padding: given.padding ?? null,
    salt_length: given.saltLength ?? null,
    raw: given.dsaEncoding === "ieee-p1363",
  };
}

class Sign extends Collector {
  constructor(private readonly algorithm: string | null) {
    super();
  }

  sign(key: unknown, encoding?: Encoding): Buffer | string {
    return out(ask({ do: "sign", algorithm: this.algorithm, data: this.all(), ...keyed(key) }), encoding);
  }
}

class Verify extends Collector {
  constructor(private readonly algorithm: string | null) {
    super();
  }

  verify(key: unknown, signature: unknown, encoding?: Encoding): boolean {
    const request = { do: "verify", algorithm: this.algorithm, data: this.all(), signature: base64(signature, encoding), ...keyed(key) };
    return ask(request).length === 1;
  }
}

/** Bytes as text in pieces, as Node gives them: a piece ends where a whole character, or three bytes, end. */
class Pieces {
  private rest: Buffer = Buffer.alloc(0);

  take(data: Buffer, encoding: string, last: boolean): string {
    const all = Buffer.concat([this.rest, data]);
    const name = encoding.toLowerCase();
    let whole = all.length;
    if (!last && name === "base64") whole -= whole % 3;
    if (!last && (name === "utf8" || name === "utf-8")) whole = complete(all, "utf-8");
    this.rest = all.subarray(whole) as Buffer;
    return (all.subarray(0, whole) as Buffer).toString(encoding as "utf8");
  }
}

class Cipher {
  private readonly id: string;
  private readonly pieces = new Pieces();
  private tag: Buffer | null = null;

  constructor(private readonly decrypts: boolean, algorithm: unknown, key: unknown, iv: unknown) {
    const request = { do: "cipher", decrypts, algorithm: String(algorithm), key: base64(key), iv: iv === null ? "" : base64(iv) };
    this.id = compute(request);
  }

  update(data: unknown, input?: Encoding, output?: Encoding): Buffer | string {
    return this.#text(ask({ do: "cipher-update", id: this.id, data: base64(data, input) }), output, false);
  }

  final(output?: Encoding): Buffer | string {
    const [data, tag] = compute({ do: "cipher-final", id: this.id }).split(".");
    if (tag) this.tag = Buffer.from(tag, "base64");
    return this.#text(Buffer.from(data!, "base64"), output, true);
  }

  setAAD(data: unknown): this {
    ask({ do: "cipher-aad", id: this.id, data: base64(data) });
    return this;
  }

  setAutoPadding(on = true): this {
    ask({ do: "cipher-padding", id: this.id, on });
    return this;
  }

  getAuthTag(): Buffer {
    if (this.decrypts || this.tag === null) throw new Error("Attempting to get auth tag in unsupported state");
    return this.tag;
  }

  setAuthTag(tag: unknown, encoding?: Encoding): this {
    ask({ do: "cipher-tag", id: this.id, data: base64(tag, encoding) });
    return this;
  }

  #text(data: Buffer, encoding: Encoding, last: boolean): Buffer | string {
    return encoding && encoding !== "buffer" ? this.pieces.take(data, encoding, last) : data;
  }
}

function randomBytes(size: number): Buffer {
  return ask({ do: "random", size });
}

function timingSafeEqual(one: unknown, other: unknown): boolean {
  const [left, right] = [bytes(one), bytes(other)];
  if (left.length !== right.length) throw new RangeError("Input buffers must have the same byte length");
  let differs = 0;
  for (let at = 0; at < left.length; at++) differs |= left[at]! ^ right[at]!;
  return differs === 0;
}

function withoutKeyDerivation(name: string, instead: string): () => never {
  return () => {
    throw new Error(`crypto.${name} is not offered by this server. ${instead}`);
  };
}

export const crypto = {
  createHash: (algorithm: string) => new Hash({ do: "hash", algorithm }),
  createHmac: (algorithm: string, key: unknown) => new Hash({ do: "hmac", algorithm, key: base64(key) }),
  createSign: (algorithm: string) => new Sign(algorithm),
  createVerify: (algorithm: string) => new Verify(algorithm),
  sign: (algorithm: string | null | undefined, data: unknown, key: unknown) => new Sign(algorithm ?? null).update(data).sign(key),
  verify: (algorithm: string | null | undefined, data: unknown, key: unknown, signature: unknown) => new Verify(algorithm ?? null).update(data).verify(key, signature),
  createCipheriv: (algorithm: string, key: unknown, iv: unknown) => new Cipher(false, algorithm, key, iv),
  createDecipheriv: (algorithm: string, key: unknown, iv: unknown) => new Cipher(true, algorithm, key, iv),
  createCipher: withoutKeyDerivation("createCipher", "Use crypto.createCipheriv() with a key and an iv."),
  createDecipher: withoutKeyDerivation("createDecipher", "Use crypto.createDecipheriv() with a key and an iv."),
  randomBytes,
  randomInt: (low: number, high?: number): number => {
    const [from, to] = high === undefined ? [0, low] : [low, high];
    if (!(to > from && to - from < 2 ** 48)) throw new RangeError("The range must hold at least one number, and fewer than 2 ** 48.");
    const range = to - from;
    const limit = 2 ** 48 - (2 ** 48 % range);
    for (;;) {
      const drawn = randomBytes(6).readUIntBE(0, 6);
      if (drawn < limit) return from + (drawn % range);
    }
  },
  randomUUID: (): string => {
    const drawn = randomBytes(16);
    drawn[6] = (drawn[6]! & 0x0f) | 0x40;
    drawn[8] = (drawn[8]! & 0x3f) | 0x80;
    return drawn.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  },
  getRandomValues: <Target extends Uint8Array>(target: Target): Target => {
    new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(randomBytes(target.byteLength));
    return target;
  },
  timingSafeEqual,
  getHashes: () => ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3-256", "sha3-512"],
  getCiphers: () => [128, 192, 256].flatMap((size) => ["cbc", "ctr", "gcm", "ecb"].map((mode) => `aes-${size}-${mode}`)),
  constants: Object.freeze({ RSA_PKCS1_PADDING: 1, RSA_PKCS1_PSS_PADDING: 6, RSA_PSS_SALTLEN_DIGEST: -1, RSA_PSS_SALTLEN_MAX_SIGN: -2, RSA_PSS_SALTLEN_AUTO: -2 }),
};
