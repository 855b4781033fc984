/** What both halves of the messages share. */

export const SCHEMA = 1;

export type CellKind = 'code' | 'markdown' | 'raw';

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string');
}
