import type { JupyterFrontEndPlugin } from '@jupyterlab/application';

import { cells } from './plugins/cells';
import { commands } from './plugins/commands';
import { copilot } from './plugins/copilot';
import { inline } from './plugins/inline';
import { sidebar } from './plugins/sidebar';

// Only `copilot` provides something; JupyterLab sorts them by what they require.
const plugins: JupyterFrontEndPlugin<unknown>[] = [cells, copilot, sidebar, commands, inline];

export default plugins;
