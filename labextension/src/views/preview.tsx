/** The outcome of an answer before it is accepted: table, text, figure, what changes. Built from data, never from markup. */

import * as React from 'react';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IFigureView, IPreview, ITableView } from '../wire';
import { bytes } from './format';
import { differences, missingWords, sizeWords } from './outcome';

const PRINTED_LINES = 12;

interface IProps {
  preview: IPreview;
  trans: TranslationBundle;
}

export function PreviewView({ preview, trans }: IProps): JSX.Element | null {
  const told = differences(preview, trans);
  const printed = preview.printed.trimEnd();
  if (!preview.value && !preview.figures.length && !printed && !told.length && !preview.files.length) {
    return null;
  }
  return (
    <section className="nbc-Preview" aria-label={trans.__('Outcome')}>
      <Shown preview={preview} trans={trans} />
      {printed && <Printed text={printed} trans={trans} />}
      {(told.length > 0 || preview.files.length > 0) && (
        <ul className="nbc-Preview-changes nbc-quiet">
          {told.map((line, i) => (
            <li key={i}>{line}</li>
          ))}
          {preview.files.map(([path, size]) => (
            <li key={path}>{trans.__('writes %1 (%2)', path, bytes(size))}</li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** Value and figures alone: what alternatives are compared by. */
export function Shown({ preview, trans }: IProps): JSX.Element {
  const { value, figures } = preview;
  return (
    <>
      {value?.call && <code className="nbc-quiet">{value.call}</code>}
      {value?.table ? (
        <Table table={value.table} trans={trans} />
      ) : (
        value?.text && (
          <pre className="nbc-Preview-text" tabIndex={0} aria-label={trans.__('Value')}>
            {value.text}
          </pre>
        )
      )}
      {figures.map((figure, i) => (
        <Figure key={i} figure={figure} trans={trans} />
      ))}
    </>
  );
}

function Table({ table, trans }: { table: ITableView; trans: TranslationBundle }): JSX.Element {
  const number = (i: number): string | undefined => (table.numeric[i] ? 'nbc-number' : undefined);
  const size = sizeWords(table, trans);
  const isCut = table.rows > table.cells.length || table.width > table.columns.length;
  return (
    <div className="nbc-Preview-table" tabIndex={0} role="region" aria-label={size}>
      <table>
        <thead>
          <tr>
            {table.index.length > 0 && <td />}
            {table.columns.map((name, i) => (
              <th key={i} scope="col" className={number(i)}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.cells.map((row, at) => (
            <tr key={at}>
              {table.index.length > 0 && <th scope="row">{table.index[at]}</th>}
              {row.map((text, i) => (
                <td key={i} className={number(i)}>
                  {text}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {isCut && <span className="nbc-quiet">{size}</span>}
    </div>
  );
}

function Figure({ figure, trans }: { figure: IFigureView; trans: TranslationBundle }): JSX.Element {
  if (!figure.png) {
    return (
      <p className="nbc-quiet">
        {missingWords(figure, trans)} {figure.alt}
      </p>
    );
  }
  const alt = figure.alt ? trans.__('Figure: %1', figure.alt) : trans.__('Figure');
  return <img className="nbc-Preview-figure" src={`data:image/png;base64,${figure.png}`} alt={alt} />;
}

function Printed({ text, trans }: { text: string; trans: TranslationBundle }): JSX.Element {
  const lines = text.split('\n');
  const more = lines.length - PRINTED_LINES;
  return (
    <pre className="nbc-Preview-text" tabIndex={0} aria-label={trans.__('Printed')}>
      {lines.slice(0, PRINTED_LINES).join('\n')}
      {more > 0 && `\n${trans._n('… %1 more line', '… %1 more lines', more)}`}
    </pre>
  );
}
