import { LabIcon } from '@jupyterlab/ui-components';

function icon(name: string, paths: string): LabIcon {
  const svgstr = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161">${paths}</g></svg>`;
  return new LabIcon({ name: `nbcopilot:${name}`, svgstr });
}

const SPARK = '<path d="M18.5 1l1.3 3.2L23 5.5l-3.2 1.3-1.3 3.2-1.3-3.2L14 5.5l3.2-1.3z"/>';

/** A cell with a spark. */
export const copilotIcon = icon(
  'copilot',
  `<path d="M4 4h8v2H4v12h14v-6h2v6a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2z"/><path d="M6 10h6v2H6zm0 4h9v2H6z"/>${SPARK}`
);

/** Speech. */
export const explainIcon = icon('explain', `<path d="M4 4h8v2H4v9h3v3l4-3h7v-3h2v5h-8l-7 5v-5H2V6a2 2 0 0 1 2-2z"/>${SPARK}`);

/** A tick. */
export const testIcon = icon('test', `<path d="M9.5 20.5L2 13l1.8-1.8 5.7 5.7L18 8.5l1.8 1.8z"/>${SPARK}`);

/** A spanner. */
export const fixIcon = icon(
  'fix',
  '<path d="M22 6.5l-3.4 3.4-3.5-1-1-3.5L17.5 2a6 6 0 0 0-7.7 7.6L2.6 16.800a2.300 2.300 0 0 0 0 3.300l1.300 1.300a2.300 2.300 0 0 0 3.300 0l7.200-7.200A6 6 0 0 0 22 6.500zM5.500 20a1.500 1.500 0 1 1 0-3 1.500 1.500 0 0 1 0 3z"/>'
);
