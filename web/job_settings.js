/** The limits on finished jobs in ComfyUI's settings; the server reads them from its settings file. */

import { app } from '../../scripts/app.js'

const limit = (id, name, tooltip, defaultValue, max) => ({
  id: `Sora.Jobs.${id}`,
  category: ['Sora', 'Jobs', id],
  name,
  tooltip,
  type: 'number',
  attrs: { min: 0, max, step: 1, showButtons: true },
  defaultValue
})

app.registerExtension({
  name: 'soranodes.Jobs',
  settings: [
    limit(
      'MaxDays',
      'Days that finished jobs stay',
      'Finished parts of long videos that were unused for longer are removed; 0 is no limit.',
      30,
      3650
    ),
    limit(
      'MaxGigabytes',
      'Gigabytes of finished jobs',
      'Beyond this, finished jobs are removed, those unused for longest first; 0 is no limit.',
      20,
      100000
    )
  ]
})
