/** Pictures made here, so that no binary file lies in the repository. */

import { crc32 as zlibCrc32, deflateSync } from "node:zlib";

/**
 * A PNG of a smooth gradient.
 * @param {number} width
 * @param {number} height
 * @returns {Buffer}
 */
export function png(width, height) {
  const rows = Buffer.alloc(height * (1 + width * 3));
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const at = y * (1 + width * 3) + 1 + x * 3;
      rows[at] = 255 - Math.floor((120 * y) / height);
      rows[at + 1] = 120 + Math.floor((100 * x) / width);
      rows[at + 2] = 60 + Math.floor((150 * y) / height);
    }
  }
  return encode(width, height, rows);
}

/**
 * A small PNG that says it is large, as one does that is made to exhaust its reader's memory.
 * @param {number} width
 * @param {number} height
 * @returns {Buffer}
 */
export function pngClaiming(width, height) {
  return encode(width, height, Buffer.alloc(1000));
}

function encode(width, height, rows) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(rows)),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(data.length);
  const sum = Buffer.alloc(4);
  sum.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, sum]);
}

/** `zlib.crc32` exists from Node 20.15 on. */
function crc32(bytes) {
  if (zlibCrc32) {
    return zlibCrc32(bytes);
  }
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
  }
  return (crc ^ 0xffffffff) >>> 0;
}
