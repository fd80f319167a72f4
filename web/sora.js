/** What the pack adds to ComfyUI's page: timelines, colours of the stages, results that play. */

import { app } from '../../scripts/app.js'
import { api } from '../../scripts/api.js'
import { addSearch, translate } from './defs.js'
import { addTimeline, colourNode, dependsOnPack, videoOf, watchGraph } from './litegraph.js'

const PLAY = 'Sora.Results.Play'
/** @type {Record<string, string>} */
let titles = {}

app.registerExtension({
  name: 'soranodes.Page',
  settings: [
    {
      id: PLAY,
      category: ['Sora', 'Results', 'Play'],
      name: 'Play results as they come',
      tooltip: 'Videos that Sora nodes made begin to play, without sound, once they are saved.',
      type: 'boolean',
      defaultValue: true
    }
  ],

  async addCustomNodeDefs(defs) {
    addSearch(defs, await (await fetch(new URL('./search.json', import.meta.url))).json())
    const languages = await api.getCustomNodesI18n?.()
    const words = languages?.[app.ui.settings.getSettingValue('Comfy.Locale')] ?? {}
    const ours = Object.entries(words.nodeDefs ?? {}).filter(([node]) => node.startsWith('Sora'))
    translate(defs, Object.fromEntries(ours))
    titles = words.soraTitles ?? {}
  },

  /** The titles of our templates are saved in English. @param {any} node */
  loadedGraphNode(node) {
    if (titles[node.title]) node.title = titles[node.title]
  },

  nodeCreated(node) {
    colourNode(node)
    addTimeline(node)
  },

  setup() {
    watchGraph()
    api.addEventListener('executed', ({ detail }) => {
      if (detail.output?.animated && dependsOnPack(detail.display_node)) {
        playOnceDisplayed(detail.display_node)
      }
    })
  }
})

/** The page displays a video some time after a run reports it. */
function playOnceDisplayed(node, tries = 50) {
  if (!app.ui.settings.getSettingValue(PLAY) || !tries) return
  const video = videoOf(node)
  if (!video) {
    setTimeout(() => playOnceDisplayed(node, tries - 1), 100)
    return
  }
  video.muted = true
  video.play()
}
