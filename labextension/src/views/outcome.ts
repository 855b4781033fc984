/** What a run gave, in words: the line of truth, and how each variable changed. Twin of nbcopilot/write/showing.py. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { ICandidate } from '../answer';
import type { IChange, IFigureView, IPreview, ITableView } from '../wire';
import { isObject } from '../wire';
import { testWords } from './format';

type Words = Pick<TranslationBundle, '__' | '_n'>;

const MOST_NAMES = 3;

/** One line that says what is known: "Ran in 0.1 s · uses orders.amount · 12 rows × 2 columns · unsure". */
export function truth(candidate: ICandidate, trans: Words): string {
  const check = candidate.check;
  if (!check) {
    return '';
  }
  const { evidence, preview } = check;
  const parts = [...ran(candidate, trans)];
  if (preview?.uses.length) {
    parts.push(trans.__('uses %1', some(preview.uses)));
  }
  if (preview?.value?.table) {
    parts.push(sizeWords(preview.value.table, trans));
  }
  if (typeof evidence.plots === 'number' && evidence.plots > 0) {
    parts.push(trans._n('%1 figure', '%1 figures', evidence.plots));
  }
  if (Array.isArray(evidence.warnings) && evidence.warnings.length) {
    parts.push(trans._n('%1 warning', '%1 warnings', evidence.warnings.length));
  }
  if (evidence.mended !== undefined) {
    parts.push(trans.__('mended by rule'));
  }
  if (evidence.searched !== undefined) {
    parts.push(trans.__('found by search'));
  }
  if (evidence.verified === true) {
    parts.push(trans.__('failed before, passes now'));
  }
  if (!candidate.complete) {
    parts.push(trans.__('cut short'));
  }
  if (candidate.confidence) {
    parts.push(sureWords(candidate.confidence.state, candidate.confidence.text, trans));
  }
  return parts.join(' · ');
}

function ran({ check }: ICandidate, trans: Words): string[] {
  const { checks, evidence } = check!;
  if (!check!.ok) {
    return [trans.__('Failed its checks')];
  }
  if (isObject(checks.tests)) {
    return testWords(checks.tests, trans);
  }
  if (checks.run === 'passed') {
    const seconds = typeof evidence.seconds === 'number' ? evidence.seconds.toFixed(1) : '0.0';
    return [trans.__('Ran in %1 s', seconds)];
  }
  if (typeof evidence.not_run === 'string') {
    return [trans.__('Not run: %1', evidence.not_run)];
  }
  if (checks.grounding === 'ok') {
    return [trans.__('Names and numbers checked')];
  }
  return Object.keys(checks).length ? [trans.__('Not run')] : [];
}

function sureWords(state: string, text: string, trans: Words): string {
  return state === 'ok' ? text : state === 'bad' ? trans.__('probably wrong') : trans.__('unsure');
}

export function sizeWords(table: ITableView, trans: Words): string {
  const rows = trans._n('%1 row', '%1 rows', table.rows);
  return trans.__('%1 × %2', rows, trans._n('%1 column', '%1 columns', table.width));
}

/** Why a figure is not shown. */
export function missingWords(figure: IFigureView, trans: Words): string {
  switch (figure.missing) {
    case 'time':
      return trans.__('The figure took too long to draw here.');
    case 'size':
      return trans.__('The figure is too large to be shown here.');
    default:
      return trans.__('The figure could not be drawn.');
  }
}

/** What changes, a sentence for each variable; then what is read and stays as it is. */
export function differences(preview: IPreview, trans: Words): string[] {
  const told = preview.changes.map(change => changeWords(change, trans));
  return preview.unchanged.length ? [...told, trans.__('%1 unchanged', some(preview.unchanged))] : told;
}

export function changeWords(change: IChange, trans: Words): string {
  const { name } = change;
  if (change.kind === 'deleted') {
    return trans.__('%1 is deleted', name);
  }
  if (change.kind === 'made') {
    return change.after ? trans.__('new: %1 = %2', name, change.after) : trans.__('new: %1, %2', name, kindWords(change, trans));
  }
  return trans.__('%1: %2', name, differenceWords(change, trans).join(', '));
}

function kindWords(change: IChange, trans: Words): string {
  const sizes: string[] = [];
  if (change.unit) {
    sizes.push(countWords(change, trans));
  }
  if (change.columns >= 0) {
    sizes.push(trans._n('%1 column', '%1 columns', change.columns));
  }
  return [change.type, sizes.join(' × ')].filter(text => text !== '').join(', ');
}

function countWords(change: IChange, trans: Words): string {
  const count = change.rows[1];
  return change.unit === 'rows' ? trans._n('%1 row', '%1 rows', count) : trans._n('%1 item', '%1 items', count);
}

function differenceWords(change: IChange, trans: Words): string[] {
  const found: string[] = [];
  const [before, after] = change.rows;
  const columns = change.unit === 'rows';
  if (change.was && change.was !== change.type) {
    found.push(`${change.was} → ${change.type}`);
  }
  if (change.added.length) {
    const count = change.added.length;
    const what = columns ? trans._n('+%1 column', '+%1 columns', count) : trans._n('+%1 key', '+%1 keys', count);
    found.push(`${what} ${some(change.added)}`);
  }
  if (change.removed.length) {
    const count = change.removed.length;
    const what = columns ? trans._n('−%1 column', '−%1 columns', count) : trans._n('−%1 key', '−%1 keys', count);
    found.push(`${what} ${some(change.removed)}`);
  }
  if (change.altered.length) {
    found.push(trans.__('%1 changed', some(change.altered)));
  }
  if (change.unit && before >= 0 && after >= 0) {
    const kept = trans.__('%1 kept', countWords(change, trans));
    found.push(before === after ? kept : `${before} → ${countWords(change, trans)}`);
  } else if (change.before || change.after) {
    found.push(`${change.before || change.was} → ${change.after || change.type}`);
  }
  return found.length ? found : [trans.__('changed')];
}

const some = (names: string[]): string => names.slice(0, MOST_NAMES).join(', ') + (names.length > MOST_NAMES ? ' …' : '');
