/**
 * The messages, twin of nbcopilot/server/wire.py and nbcopilot/write/wire.py. Both sides are tested against
 * the files of tests/data/wire. What arrives is `unknown` until a guard here has looked at it.
 */

export type { CellKind } from './common';
export { SCHEMA, isObject } from './common';
export * from './kernel';
export * from './server';
