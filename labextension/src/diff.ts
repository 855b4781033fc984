/** A line diff: longest common subsequence, after the equal head and tail are cut off. */

export type DiffLine = {
  kind: 'same' | 'removed' | 'added';
  text: string;
  /** Start and end of what differs from the line that it became, or was; absent where the two have little in common. */
  part?: [number, number];
};

// Above this many cells of the table the middle is shown as removed and added as a whole: 4 MB of memory.
const TABLE_LIMIT = 1_000_000;

export function diffLines(before: string, after: string): DiffLine[] {
  const a = before === '' ? [] : before.split('\n');
  const b = after === '' ? [] : after.split('\n');
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) {
    head++;
  }
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) {
    tail++;
  }
  const same = (text: string): DiffLine => ({ kind: 'same', text });
  return [
    ...a.slice(0, head).map(same),
    ...markParts(middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail))),
    ...a.slice(a.length - tail).map(same)
  ];
}

/** Lines that became as many others are compared one by one. */
function markParts(lines: DiffLine[]): DiffLine[] {
  const marked = [...lines];
  for (let start = 0; start < lines.length; start++) {
    const removed = runLength(lines, start, 'removed');
    const added = runLength(lines, start + removed, 'added');
    if (removed > 0 && removed === added) {
      for (let i = start; i < start + removed; i++) {
        [marked[i], marked[i + removed]] = withPart(lines[i], lines[i + removed]);
      }
    }
    start += removed + added > 0 ? removed + added - 1 : 0;
  }
  return marked;
}

function runLength(lines: DiffLine[], start: number, kind: DiffLine['kind']): number {
  const end = lines.slice(start).findIndex(line => line.kind !== kind);
  return end < 0 ? lines.length - start : end;
}

function withPart(before: DiffLine, after: DiffLine): [DiffLine, DiffLine] {
  const [a, b] = [before.text, after.text];
  const shorter = Math.min(a.length, b.length);
  let head = 0;
  while (head < shorter && a[head] === b[head]) {
    head++;
  }
  let tail = 0;
  while (tail < shorter - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) {
    tail++;
  }
  const common = a.slice(0, head).trim().length + a.slice(a.length - tail).trim().length;
  if (2 * common < a.trim().length) {
    return [before, after];
  }
  return [
    { ...before, part: [head, a.length - tail] },
    { ...after, part: [head, b.length - tail] }
  ];
}

function middle(a: string[], b: string[]): DiffLine[] {
  const removed = (text: string): DiffLine => ({ kind: 'removed', text });
  const added = (text: string): DiffLine => ({ kind: 'added', text });
  if (a.length * b.length > TABLE_LIMIT || !a.length || !b.length) {
    return [...a.map(removed), ...b.map(added)];
  }
  // common[i][j]: length of the longest common subsequence of a[i:] and b[j:]
  const width = b.length + 1;
  const common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i * width + j] =
        a[i] === b[j]
          ? common[(i + 1) * width + j + 1] + 1
          : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
    }
  }
  const lines: DiffLine[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    if (a[i] === b[j]) {
      lines.push({ kind: 'same', text: a[i++] });
      j++;
    } else if (common[(i + 1) * width + j] >= common[i * width + j + 1]) {
      lines.push(removed(a[i++]));
    } else {
      lines.push(added(b[j++]));
    }
  }
  return [...lines, ...a.slice(i).map(removed), ...b.slice(j).map(added)];
}
