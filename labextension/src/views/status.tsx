/** The line in the status bar: model, pace, what is running. */

import * as React from 'react';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { SidebarModel } from '../model';

export class StatusItem extends ReactWidget {
  constructor(
    private readonly model: SidebarModel,
    private readonly trans: TranslationBundle,
    private readonly open: () => void
  ) {
    super();
    this.addClass('nbc-StatusItem');
    model.changed.connect(this.onChange, this);
  }

  override dispose(): void {
    this.model.changed.disconnect(this.onChange, this);
    super.dispose();
  }

  protected override render(): JSX.Element {
    return (
      <button className="nbc-StatusItem-button" onClick={this.open} title={this.trans.__('Show nbcopilot')}>
        {statusWords(this.model, this.trans)}
      </button>
    );
  }

  private onChange(): void {
    const words = statusWords(this.model, this.trans);
    if (words !== this.shown) {
      this.shown = words;
      this.update();
    }
  }

  private shown = '';
}

/** "qwen2.5-coder-0.5b · 21 tok/s · 2 running". */
export function statusWords(model: SidebarModel, trans: TranslationBundle): string {
  const { status } = model;
  if (!status) {
    return 'nbcopilot';
  }
  const words = [status.model.id || 'nbcopilot'];
  if (!status.model.ready) {
    words.push(trans.__('not downloaded'));
  } else if (status.tokens_per_second) {
    words.push(trans.__('%1 tok/s', status.tokens_per_second));
  }
  const running = Math.max(model.runningCount, status.engine.queue);
  if (running) {
    words.push(trans.__('%1 running', running));
  }
  return words.join(' · ');
}
