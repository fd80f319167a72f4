/**
 * All that the pack knows of ComfyUI's graph: the only file that touches nodes, widgets, links and
 * the page's undo. Another front end needs another file with these exports.
 */

import { api } from '../../scripts/api.js'
import { app } from '../../scripts/app.js'
import { HEIGHT } from './draw.js'
import { mediaReader } from './media.js'
import { planOf, TIMED_NODES } from './plan.js'
import { stageColour } from './stages.js'
import { timeline } from './timeline.js'

const BYPASSED = 4
const DEPTH = 100 // nodes that are followed back; a graph in the making may be a circle
const WIDE = 320 // pixels that a timeline wants
const BEAT = 100 // milliseconds: nothing reports a widget that a script writes, in any renderer

/** @type {Map<any, ReturnType<typeof timeline>>} by node */
const timelines = new Map()
/** Where the user looks in each timeline: a node that undo makes anew is looked at as before. */
const places = new Map()
const refreshAll = () => timelines.forEach((one) => one.refresh())
const mediaOf = mediaReader((path) => api.apiURL(path), () => requestAnimationFrame(refreshAll))

/** Keeps every timeline up to date with the widgets and links of its graph. */
export function watchGraph() {
  setInterval(() => {
    if (document.hidden) return
    timelines.forEach(({ element }, node) => element.isConnected || mount(node, element))
    refreshAll()
  }, BEAT)
}

/**
 * Puts a timeline where that of a removed node still stands: Nodes 2.0 takes a node that undo makes
 * anew for the one before it, by its id, and goes on showing the old element.
 */
function mount(node, element) {
  if (node.graph !== app.canvas.graph) return
  const stale = document.querySelector(`[data-node-id="${node.id}"] .sora-timeline`)
  stale?.replaceWith(element)
}

/** Adds a timeline to a new node of the pack that makes a canvas. @param {any} node */
export function addTimeline(node) {
  if (!TIMED_NODES.includes(node.comfyClass)) return
  const place = { zoom: null, playhead: null }
  const strip = timeline({
    plan: () => draggable(node),
    write: (values) => writeWidgets(node, values),
    begin: () => app.canvas.emitBeforeChange?.(),
    end: () => app.canvas.emitAfterChange?.(),
    theme,
    place
  })
  const widget = node.addDOMWidget('timeline', 'sora_timeline', strip.element, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => HEIGHT + 8,
    getMaxHeight: () => HEIGHT + 8,
    margin: 4
  })
  widget.serialize = false
  widget.plan = () => draggable(node)
  widget.view = strip.view
  node.setSize([Math.max(node.size[0], WIDE), node.computeSize()[1]])
  timelines.set(node, strip)
  after(node, 'onConfigure', () => Object.assign(place, places.get(node.id)))
  after(node, 'onRemoved', () => {
    places.set(node.id, place)
    timelines.delete(node)
    strip.remove()
  })
}

/**
 * Colours a node of the pack by its stage, in both renderers: the classic one reads it from the
 * class, Nodes 2.0 from the node. It is not saved: a workflow holds what its user chose.
 *
 * @param {any} node
 */
export function colourNode(node) {
  const colour = stageColour(node.comfyClass)
  if (!colour) return
  node.constructor.color = colour
  node.color ??= colour
  after(node, 'onSerialize', (saved) => {
    if (saved.color === colour) delete saved.color
  })
}

/** Whether a node of the pack had a part in what the node with this id shows. @param {any} id */
export function dependsOnPack(id) {
  const asked = new Set()
  const depends = (node) => {
    if (!node || asked.has(node)) return false
    asked.add(node)
    if (node.comfyClass?.startsWith('Sora')) return true
    return node.inputs?.some((input) => depends(sourceOf(node, input.name))) ?? false
  }
  return depends(app.graph.getNodeById(id))
}

/** The video that a node shows, in either renderer. @param {any} id @returns {HTMLVideoElement | null} */
export function videoOf(id) {
  const node = app.graph.getNodeById(id)
  const inside = document.querySelector(`[data-node-id="${id}"] video`)
  return inside ?? node?.videoContainer?.querySelector('video') ?? null
}

/** The plan of a node, without what a link decides in its stead. */
function draggable(node) {
  if (!node.graph) return null // removed, with the focus still on it
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
function writeWidgets(node, values) {
  for (const [name, value] of Object.entries(values)) {
    const widget = node.widgets.find((each) => each.name === name)
    widget.value = value
    widget.callback?.(value, app.canvas, node)
  }
  app.graph.setDirtyCanvas(true, true)
}

/** @returns {import('./draw.js').Theme} */
function theme() {
  return {
    background: LiteGraph.WIDGET_BGCOLOR,
    outline: LiteGraph.WIDGET_OUTLINE_COLOR,
    text: LiteGraph.WIDGET_TEXT_COLOR,
    faint: LiteGraph.WIDGET_SECONDARY_TEXT_COLOR
  }
}

/** Calls `then` with the arguments of a node's event, after whatever listened before. */
function after(node, event, then) {
  const before = node[event]
  node[event] = function (...args) {
    const result = before?.apply(this, args)
    then(...args)
    return result
  }
}
