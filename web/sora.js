/** What the pack adds to ComfyUI's page: timelines, colours of the stages, results that play. */

import { app } from '../../scripts/app.js'
import { api } from '../../scripts/api.js'
import { sayMore, translate } from './defs.js'
import { footageReader } from './footage.js'
import { planOf, TIMED_NODES } from './plan.js'
import { stageColour } from './stages.js'
import { timeline } from './timeline.js'

const BYPASSED = 4
const DEPTH = 100 // nodes that are followed back; a graph in the making may be a circle
const WIDE = 320 // pixels: room for a timeline
const PLAY = 'Sora.Results.Play'

const redraw = () => app.graph?.setDirtyCanvas(true, true)
const mediaOf = footageReader((path) => api.apiURL(path), redraw)

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
    sayMore(defs)
    const told = await api.getCustomNodesI18n?.()
    const words = told?.[app.ui.settings.getSettingValue('Comfy.Locale')]?.nodeDefs ?? {}
    const ours = Object.entries(words).filter(([node]) => node.startsWith('Sora'))
    translate(defs, Object.fromEntries(ours))
  },

  beforeRegisterNodeDef(nodeType, nodeData) {
    const colour = stageColour(nodeData.name)
    if (colour) nodeType.color = colour
  },

  nodeCreated(node) {
    if (!TIMED_NODES.includes(node.comfyClass)) return
    const drawn = timeline(
      () => draggable(node),
      (values) => write(node, values),
      LiteGraph
    )
    const widget = node.addCustomWidget(drawn)
    node.setSize([Math.max(node.size[0], WIDE), node.computeSize()[1]])
    const { onMouseMove } = node
    node.onMouseMove = function (event, pos, canvas) {
      onMouseMove?.call(this, event, pos, canvas)
      const over = pos[1] >= widget.y && pos[1] <= widget.y + widget.computeSize()[1]
      if (over) canvas.canvas.style.cursor = widget.hover(pos, node) ? 'ew-resize' : ''
      redraw()
    }
  },

  setup() {
    api.addEventListener('executed', ({ detail }) => {
      const node = app.graph.getNodeById(detail.display_node)
      if (detail.output?.animated && node && madeHere(node)) playOnceShown(node)
    })
  }
})

/** The plan of a node, without what a link decides in its stead. */
function draggable(node) {
  const look = lookOf(node)
  const plan = planOf(look)
  const written = (handle) => Object.keys(handle.write(handle.at))
  const free = (handle) => written(handle).every((name) => look.values[name] !== undefined)
  return plan && { ...plan, handles: plan.handles.filter(free) }
}

/** @returns {import('./plan.js').Look | null} */
function lookOf(node, depth = 0) {
  if (!node || depth > DEPTH) return null
  const values = Object.fromEntries((node.widgets ?? []).map(({ name, value }) => [name, value]))
  for (const input of node.inputs ?? []) {
    if (input.widget && input.link != null) values[input.name] = undefined
  }
  return {
    type: node.comfyClass ?? node.type,
    values,
    from: (input) => lookOf(sourceOf(node, input), depth + 1),
    media: mediaOf(node.comfyClass, values)
  }
}

/** The node that feeds an input, past reroutes and what is bypassed. */
function sourceOf(node, name) {
  const slot = node.inputs?.findIndex((input) => input.name === name) ?? -1
  if (slot < 0) return null
  let source = node.getInputNode(slot)
  const { type } = node.inputs[slot]
  for (let i = 0; i < DEPTH && passesOn(source); i++) {
    const same = source.inputs.findIndex((input) => [type, '*'].includes(input.type))
    source = same < 0 ? null : source.getInputNode(same)
  }
  return source
}

function passesOn(node) {
  return node?.mode === BYPASSED || node?.type === 'Reroute'
}

/** Sets widgets as if they had been typed into. */
function write(node, values) {
  for (const [name, value] of Object.entries(values)) {
    const widget = node.widgets.find((each) => each.name === name)
    widget.value = value
    widget.callback?.(value, app.canvas, node)
  }
  redraw()
}

/** Whether a node of the pack had a part in what `node` shows. */
function madeHere(node, asked = new Set()) {
  if (!node || asked.has(node)) return false
  asked.add(node)
  if (node.comfyClass?.startsWith('Sora')) return true
  return node.inputs?.some((input) => madeHere(sourceOf(node, input.name), asked)) ?? false
}

/** The page shows a video some time after it is told of it. */
function playOnceShown(node, tries = 50) {
  if (!app.ui.settings.getSettingValue(PLAY) || !tries) return
  const video = node.videoContainer?.querySelector('video')
  if (!video) {
    setTimeout(() => playOnceShown(node, tries - 1), 100)
    return
  }
  video.muted = true
  video.play()
}
