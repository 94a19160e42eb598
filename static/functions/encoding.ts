// TextEncoder and TextDecoder for UTF-8, over the bytes of Buffer.

import { Buffer } from "buffer";

export class TextEncoder {
  readonly encoding = "utf-8";

  encode(text = ""): Uint8Array {
    return new Uint8Array(Buffer.from(String(text), "utf8"));
  }

  encodeInto(text: string, target: Uint8Array): { read: number; written: number } {
    let read = 0;
    let written = 0;
    for (const character of text) {
      const bytes = Buffer.from(character, "utf8");
      if (written + bytes.length > target.length) break;
      target.set(bytes, written);
      written += bytes.length;
      read += character.length;
    }
    return { read, written };
  }
}

type Bytes = ArrayBuffer | ArrayBufferView;

export function bytesOf(value: Bytes): Buffer {
  return ArrayBuffer.isView(value) ? Buffer.from(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength) : Buffer.from(value);
}

export class TextDecoder {
  readonly encoding: string;
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;
  private rest: Buffer = Buffer.alloc(0);

  constructor(label = "utf-8", options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    const known: Record<string, string> = { "utf-8": "utf-8", utf8: "utf-8", latin1: "latin1", "iso-8859-1": "latin1", ascii: "latin1", "utf-16le": "utf-16le" };
    const encoding = known[String(label).trim().toLowerCase()];
    if (encoding === undefined) throw new RangeError(`The encoding ${label} is not offered: utf-8, utf-16le and latin1 are.`);
    this.encoding = encoding;
    this.fatal = options.fatal === true;
    this.ignoreBOM = options.ignoreBOM === true;
  }

  decode(input?: Bytes, options: { stream?: boolean } = {}): string {
    let bytes = Buffer.concat([this.rest, input === undefined ? Buffer.alloc(0) : bytesOf(input)]);
    this.rest = Buffer.alloc(0);
    if (this.encoding === "latin1") return bytes.toString("latin1");
    const whole = options.stream ? complete(bytes, this.encoding) : bytes.length;
    this.rest = bytes.subarray(whole) as Buffer;
    bytes = bytes.subarray(0, whole) as Buffer;
    if (this.encoding === "utf-16le") return bytes.toString("utf16le");
    const text = bytes.toString("utf8");
    if (this.fatal && !Buffer.from(text, "utf8").equals(bytes)) throw new TypeError("The bytes are not valid UTF-8.");
    return !this.ignoreBOM && text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  }
}

/** How many bytes from the start are whole characters. */
export function complete(bytes: Uint8Array, encoding: string): number {
  if (encoding !== "utf-8") return bytes.length - (bytes.length % 2);
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needs > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
