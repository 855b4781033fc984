/**
 * The hash that edits are checked against: `sha256:` and hex, as `text_hash` of nbcopilot/types.py.
 * Written out because crypto.subtle is missing on plain-http servers (FIPS 180-4).
 */

const PRIMES = Array.from({ length: 312 }, (_, n) => n).filter(
  n => n > 1 && !Array.from({ length: Math.floor(Math.sqrt(n)) + 1 }, (_, i) => i).some(i => i > 1 && n % i === 0)
);
const fraction = (x: number): number => ((x - Math.floor(x)) * 2 ** 32) | 0;
const START = PRIMES.slice(0, 8).map(p => fraction(Math.sqrt(p)));
const ROUND = PRIMES.slice(0, 64).map(p => fraction(Math.cbrt(p)));

export function textHash(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const padded = new Uint8Array((((bytes.length + 8) >> 6) + 1) << 6);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, bytes.length << 3);

  const state = Int32Array.from(START);
  const words = new Int32Array(64);
  for (let offset = 0; offset < padded.length; offset += 64) {
    for (let i = 0; i < 64; i++) {
      words[i] = i < 16 ? view.getInt32(offset + 4 * i) : schedule(words, i);
    }
    compress(state, words);
  }
  return 'sha256:' + Array.from(state, word => (word >>> 0).toString(16).padStart(8, '0')).join('');
}

const rotate = (x: number, by: number): number => (x >>> by) | (x << (32 - by));

function schedule(w: Int32Array, i: number): number {
  const low = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ (w[i - 15] >>> 3);
  const high = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ (w[i - 2] >>> 10);
  return (w[i - 16] + low + w[i - 7] + high) | 0;
}

function compress(state: Int32Array, words: Int32Array): void {
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const one = (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g));
    const first = (h + one + ROUND[i] + words[i]) | 0;
    const second = ((rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [a, b, c, d, e, f, g, h] = [(first + second) | 0, a, b, c, (d + first) | 0, e, f, g];
  }
  [a, b, c, d, e, f, g, h].forEach((value, i) => {
    state[i] = (state[i] + value) | 0;
  });
}
