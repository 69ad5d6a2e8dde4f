/**
 * The Protobuf wire format, as strictly as docs/format.md reads it, and with unknown fields kept byte for byte. Protobuf
 * runtimes are laxer: they let known fields of another wire type pass, and reorder unknown ones.
 */

import { concat, hex, unhex, utf8, type Bytes } from "./bytes.js";
import type { Unknown } from "./content.js";
import { FormatError } from "./errors.js";

export type Kind = "bytes" | "text" | "number" | "flag" | "message";
/** The known fields of a message: the number of each, and its kind. */
export type Schema = Readonly<Record<number, Kind>>;

const [VARINT, FIXED64, LENGTH, GROUP, END, FIXED32] = [0, 1, 2, 3, 4, 5] as const;
const WIRE_TYPES = { bytes: LENGTH, text: LENGTH, message: LENGTH, number: VARINT, flag: VARINT } as const;
const MAX_DEPTH = 32;

export function require(rule: boolean, otherwise: string): asserts rule {
  if (!rule) throw new FormatError("malformed-payload", otherwise);
}

const NONE: readonly Bytes[] = [];

/** The fields of one message. Of a scalar that occurs more than once, the last occurrence counts. */
export class Fields {
  readonly unknown: Unknown;
  /** By field number: the last number or text, or all byte strings. */
  readonly #values: (number | string | Bytes[] | undefined)[] = [];

  constructor(bytes: Bytes, schema: Schema) {
    const reader = new Reader(bytes);
    const unknown = new Map<number, Bytes[]>();
    while (!reader.atEnd) {
      const start = reader.at;
      const tag = reader.tag();
      const [number, type] = [Math.floor(tag / 8), tag % 8];
      const kind = schema[number];
      if (kind !== undefined) {
        require(type === WIRE_TYPES[kind], "a known field has another wire type");
        this.#read(reader, number, kind);
      } else {
        reader.skip(number, type, 0);
        const occurrence = bytes.subarray(start, reader.at);
        const parts = unknown.get(number);
        if (parts) parts.push(occurrence);
        else unknown.set(number, [occurrence]);
      }
    }
    this.unknown = [...unknown].sort(([one], [other]) => one - other).map(([number, parts]) => [number, hex(concat(...parts))]);
  }

  #read(reader: Reader, number: number, kind: Kind): void {
    if (kind === "number" || kind === "flag") this.#values[number] = reader.varint();
    else if (kind === "text") this.#values[number] = text(reader.bytes());
    else {
      const parts = this.#values[number];
      if (Array.isArray(parts)) parts.push(reader.bytes());
      else this.#values[number] = [reader.bytes()];
    }
  }

  number(number: number): number {
    const value = Number(this.#values[number] ?? 0);
    require(value <= Number.MAX_SAFE_INTEGER, "a number is above 2^53 - 1");
    return value;
  }

  flag(number: number): boolean {
    return Boolean(this.#values[number]);
  }

  text(number: number): string {
    return String(this.#values[number] ?? "");
  }

  /** In hex. */
  bytes(number: number): string {
    const last = this.messages(number).at(-1);
    return last ? hex(last) : "";
  }

  /** Every occurrence. */
  messages(number: number): readonly Bytes[] {
    const parts = this.#values[number];
    return Array.isArray(parts) ? parts : NONE;
  }
}

/** Strict, and a U+FEFF at the start stays. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function text(bytes: Bytes): string {
  try {
    return UTF8.decode(bytes);
  } catch (error) {
    throw new FormatError("malformed-payload", "text is not UTF-8", { cause: error });
  }
}

class Reader {
  at = 0;
  readonly #bytes: Bytes;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.at >= this.#bytes.length;
  }

  /** The field number times 8, plus the wire type. */
  tag(): number {
    const tag = this.#integer(5);
    require(tag >= 8 && tag < 2 ** 32, "a field number is outside 1 to 2^29 - 1");
    return tag;
  }

  /** A number of up to 64 bits. It is exact up to 2^53 - 1, and greater than that for every greater number. */
  varint(): number {
    const start = this.at;
    const value = this.#integer(10);
    require(this.at - start < 10 || (this.#bytes[this.at - 1] ?? 0) <= 1, "a number has more than 64 bits");
    return value;
  }

  bytes(): Bytes {
    return this.#take(this.#integer(5));
  }

  skip(number: number, type: number, depth: number): void {
    if (type === VARINT) this.varint();
    else if (type === FIXED64) this.#take(8);
    else if (type === FIXED32) this.#take(4);
    else if (type === LENGTH) this.bytes();
    else {
      require(type === GROUP && depth < MAX_DEPTH, "a wire type is unknown, or groups are nested too deeply");
      this.#skipGroup(number, depth + 1);
    }
  }

  #skipGroup(opened: number, depth: number): void {
    for (;;) {
      const tag = this.tag();
      const [number, type] = [Math.floor(tag / 8), tag % 8];
      if (type === END) return require(number === opened, "a group ends as another one");
      this.skip(number, type, depth);
    }
  }

  #integer(maxBytes: number): number {
    let value = 0;
    for (let count = 0; count < maxBytes; count++) {
      const byte = this.#bytes[this.at++];
      require(byte !== undefined, "the input is truncated");
      value += (byte & 0x7f) * 2 ** (7 * count);
      if (byte < 0x80) return value;
    }
    throw new FormatError("malformed-payload", "a number is too long");
  }

  #take(length: number): Bytes {
    require(length <= this.#bytes.length - this.at, "the input is truncated");
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }
}

/** Writes a message canonically: call `field` in ascending order of numbers, then `unknown`. */
export class MessageWriter {
  #buffer: Bytes = new Uint8Array(128);
  #length = 0;

  number(number: number, value: number): this {
    return value === 0 ? this : this.#tag(number, VARINT).#varint(value);
  }

  flag(number: number, value: boolean): this {
    return this.number(number, Number(value));
  }

  text(number: number, value: string): this {
    return value === "" ? this : this.message(number, utf8(value));
  }

  /** From hex. */
  bytes(number: number, value: string): this {
    return value === "" ? this : this.message(number, unhex(value));
  }

  /** Written also if it is empty. */
  message(number: number, content: Bytes): this {
    return this.#tag(number, LENGTH).#varint(content.length).#raw(content);
  }

  unknown(fields: Unknown): this {
    for (const [, encoded] of fields) this.#raw(unhex(encoded));
    return this;
  }

  finish(): Bytes {
    return this.#buffer.slice(0, this.#length);
  }

  #tag(number: number, type: number): this {
    return this.#varint(8 * number + type);
  }

  #varint(value: number): this {
    this.#reserve(10);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#buffer[this.#length++] = (rest % 0x80) + 0x80;
    this.#buffer[this.#length++] = rest;
    return this;
  }

  #raw(bytes: Bytes): this {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const longer = new Uint8Array(2 * this.#buffer.length + bytes);
    longer.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = longer;
  }
}
