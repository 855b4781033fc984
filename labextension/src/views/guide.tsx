/** First run: which model, how big, one button, a real progress bar. */

import * as React from 'react';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { SidebarModel } from '../model';
import { bytes } from './format';

export function Guide({ model, trans }: { model: SidebarModel; trans: TranslationBundle }): JSX.Element | null {
  const [picked, pick] = React.useState<string | null>(null);
  const status = model.status;
  if (!status || status.model.ready || status.problem) {
    return null;
  }
  const chosen = picked ?? model.models.find(m => m.recommended)?.id ?? status.model.id;
  const pull = model.pulling;
  const size = model.models.find(m => m.id === chosen)?.bytes ?? status.model.bytes;
  return (
    <section className="nbc-Guide" aria-label={trans.__('Get a model')}>
      <h3>{trans.__('Get a model')}</h3>
      <p>
        {trans.__(
          'nbcopilot runs a language model on this machine. It is downloaded once and checked; from then on nothing of your notebook leaves the machine.'
        )}
      </p>
      <fieldset disabled={pull?.running}>
        <legend className="nbc-srOnly">{trans.__('Model')}</legend>
        {model.models.map(item => (
          <label key={item.id} className="nbc-Guide-model">
            <input
              type="radio"
              name="nbc-model"
              checked={item.id === chosen}
              onChange={() => pick(item.id)}
              value={item.id}
            />
            <span>
              <b>{item.id}</b> <span className="nbc-quiet">{bytes(item.bytes)}</span>{' '}
              {item.recommended && <span className="nbc-Chip nbc-mod-good">{trans.__('fits this machine')}</span>}
              <span className="nbc-quiet nbc-block">
                {item.note} · {item.licence}
              </span>
            </span>
          </label>
        ))}
      </fieldset>
      {pull?.running ? (
        <>
          <progress className="nbc-Progress" max={pull.total || 1} value={pull.done} aria-label={trans.__('Download')} />
          <div className="nbc-row">
            <span className="nbc-quiet" role="status">
              {pull.total ? `${bytes(pull.done)} / ${bytes(pull.total)}` : trans.__('starting …')} · {pull.what}
            </span>
            <button className="jp-mod-styled jp-mod-minimal" onClick={() => model.stopPull()}>
              {trans.__('Stop')}
            </button>
          </div>
        </>
      ) : (
        <button className="jp-mod-styled jp-mod-accept nbc-wide" onClick={() => void model.pull(chosen)}>
          {trans.__('Download (%1)', bytes(size))}
        </button>
      )}
      {pull?.failure && (
        <p className="nbc-Problem" role="alert">
          {pull.failure.message}
          {pull.failure.hint && <span className="nbc-block">{pull.failure.hint}</span>}
        </p>
      )}
    </section>
  );
}
