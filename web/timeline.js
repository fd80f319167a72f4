/**
 * A timeline: an element that draws a plan and takes the pointer and the keyboard. It has no value
 * of its own: a drag writes the node's other widgets, and only those are saved.
 *
 * @typedef {import('./plan.js').Plan} Plan
 * @typedef {import('./plan.js').Handle} Handle
 * @typedef {import('./draw.js').Theme} Theme
 *
 * @typedef {object} Owner  the node that a timeline belongs to, as the host adapter offers it
 * @property {() => Plan | null} plan  what the node makes, as of now
 * @property {(values: Record<string, number | string>) => void} write  sets widgets of the node
 * @property {() => void} begin  opens one step of the page's undo
 * @property {() => void} end  closes it
 * @property {() => Theme} theme
 * @property {Place} place
 *
 * @typedef {object} Place  where the user looks, remembered for the page and never saved
 * @property {{start: number, seconds: number} | null} zoom  null shows everything
 * @property {number | null} playhead
 */

import { drawTimeline, HEIGHT, RULER } from './draw.js'
import { preview } from './preview.js'
import * as views from './view.js'

const WHEEL_ZOOM = 1.0015 // for each pixel of the wheel
const KEY_ZOOM = 1.5
const SHARPEST = 4 // pixels of the screen for one of the widget

/**
 * @param {Owner} owner
 * @returns {{element: HTMLElement, refresh: () => void, remove: () => void, view: () => any}}
 */
export function timeline(owner) {
  const { place } = owner
  const element = document.createElement('div')
  element.className = 'sora-timeline'
  element.tabIndex = 0
  element.setAttribute('role', 'application')
  element.setAttribute('aria-label', 'timeline')
  element.style.cssText = `width: 100%; height: ${HEIGHT}px; outline: none; touch-action: none`
  const canvas = document.createElement('canvas')
  canvas.style.cssText = `display: block; width: 100%; height: ${HEIGHT}px`
  element.append(canvas)

  const floating = preview(element)
  /** @type {{handle: Handle, plan: Plan, by: number, values: object | null} | null} */
  let drag = null
  let scrubbing = false
  let line = null
  let hovered = null
  let chosen = -1 // the handle that the keyboard moves
  let drawn = ''

  const widthOf = () => element.clientWidth || 1
  const view = (plan = owner.plan()) => views.viewOf(plan, widthOf(), place.zoom)
  const focused = () => document.activeElement === element

  /** Draws if anything differs from what was drawn. */
  function refresh() {
    const plan = owner.plan()
    if (!plan || !element.clientWidth) return
    const theme = owner.theme()
    const handle = plan.handles[chosen]
    const marks = {
      playhead: place.playhead,
      hovered: handle ? handle.at : hovered,
      line,
      focused: focused()
    }
    const current = view(plan)
    const scale = scaleOf(canvas)
    const state = JSON.stringify([plan, current, marks, theme, scale, read(plan)], withoutMedia)
    if (state === drawn) return
    drawn = state
    const [width, height] = [current.width * scale, HEIGHT * scale].map(Math.round)
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height })
    const ctx = canvas.getContext('2d')
    ctx.setTransform(scale, 0, 0, scale, 0, 0)
    drawTimeline(ctx, plan, current, marks, theme)
    if (scrubbing || (focused() && place.playhead !== null && chosen < 0)) float(plan, current)
    else floating.hide()
  }

  function float(plan, current) {
    const bounds = element.getBoundingClientRect()
    const x = bounds.left + (views.xOf(current, place.playhead) * bounds.width) / current.width
    floating.show(plan, place.playhead, bounds, x)
  }

  /** Where an event lies, in pixels of the widget. */
  function spot(event) {
    const bounds = element.getBoundingClientRect()
    const scale = widthOf() / bounds.width
    return [(event.clientX - bounds.left) * scale, (event.clientY - bounds.top) * scale]
  }

  function scrub(plan, x) {
    const inside = Math.max(0, Math.min(plan.seconds, views.secondsAt(view(plan), x)))
    place.playhead = views.onFrame(plan, inside)
  }

  function down(event) {
    const plan = owner.plan()
    if (!plan || event.button !== 0) return
    const [x, y] = spot(event)
    const handle = y < RULER ? null : views.handleAt(plan, view(plan), x)
    chosen = -1
    scrubbing = y < RULER
    if (scrubbing) scrub(plan, x)
    else if (handle) {
      drag = { handle, plan, by: views.secondsAt(view(plan), x) - handle.at, values: null }
      owner.begin()
    } else return
    event.stopPropagation()
    element.focus({ preventScroll: true })
    element.setPointerCapture(event.pointerId)
    refresh()
  }

  function move(event) {
    const plan = owner.plan()
    if (!plan) return
    const [x, y] = spot(event)
    if (scrubbing) scrub(plan, x)
    else if (drag) follow(x, event.altKey)
    else {
      const over = y < RULER ? null : views.handleAt(plan, view(plan), x)
      hovered = over?.at ?? null
      const border = over?.until === undefined ? 'ew-resize' : 'grab'
      element.style.cursor = y < RULER ? 'col-resize' : over ? border : ''
    }
    if (scrubbing || drag) event.stopPropagation()
    refresh()
  }

  /** Writes what the dragged handle asks for at `x`. */
  function follow(x, free) {
    const { handle, plan, by } = drag
    const current = views.viewOf(plan, widthOf(), place.zoom)
    const aim = views.secondsAt(current, x) - by
    const loose = { at: views.onFrame(plan, aim), line: null }
    const found = free ? loose : views.snapped(plan, current, handle, aim, place.playhead)
    line = found.line
    const values = handle.write(found.at)
    if (JSON.stringify(values) === JSON.stringify(drag.values)) return
    drag.values = values
    owner.write(values)
  }

  function up(event) {
    if (!drag && !scrubbing) return
    if (event.type === 'pointerup') event.stopPropagation()
    if (drag) owner.end()
    drag = null
    scrubbing = false
    line = null
    refresh()
  }

  /** Leaves everything as it was before the drag. */
  function giveUp() {
    owner.write(drag.handle.write(drag.handle.at))
    owner.end()
    drag = null
    line = null
  }

  function wheel(event) {
    const plan = element.contains(event.target) ? owner.plan() : null
    if (!plan) return
    if (!(event.ctrlKey || event.metaKey || event.shiftKey || focused())) return
    event.preventDefault()
    event.stopPropagation()
    const by = event.deltaY || event.deltaX
    const current = view(plan)
    const [x] = spot(event)
    place.zoom = event.shiftKey
      ? views.scrolled(plan, current, by)
      : views.zoomed(plan, current, WHEEL_ZOOM ** -by, x)
    refresh()
  }

  function key(event) {
    const plan = owner.plan()
    const press = plan && keys(plan)[event.key]
    if (!press || event.ctrlKey || event.metaKey) return
    event.preventDefault()
    event.stopPropagation()
    press(event)
    refresh()
  }

  /** What each key does. @param {Plan} plan @returns {Record<string, (event: KeyboardEvent) => void>} */
  function keys(plan) {
    const current = view(plan)
    const last = plan.handles.length - 1
    const choose = (index) => {
      chosen = index
      if (chosen >= 0) place.zoom = views.showing(plan, current, plan.handles[chosen].at)
    }
    const step = (by) => (event) => {
      const seconds = by * (event.shiftKey ? 1 : views.stepOf(plan))
      if (chosen >= 0 && plan.handles[chosen]) nudge(plan, seconds)
      else point(plan, (place.playhead ?? 0) + seconds)
    }
    const closer = (factor) => () => {
      const middle = views.xOf(current, place.playhead ?? current.start + current.seconds / 2)
      place.zoom = views.zoomed(plan, current, factor, middle)
    }
    return {
      ArrowLeft: step(-1),
      ArrowRight: step(1),
      ArrowDown: () => choose(Math.min(last, chosen + 1)),
      ArrowUp: () => choose(Math.max(-1, chosen - 1)),
      Home: () => point(plan, 0),
      End: () => point(plan, plan.seconds),
      '+': closer(KEY_ZOOM),
      '=': closer(KEY_ZOOM),
      '-': closer(1 / KEY_ZOOM),
      0: () => (place.zoom = null),
      Escape: () => {
        if (drag) giveUp()
        else if (chosen >= 0) chosen = -1
        else place.playhead = null
      }
    }
  }

  function nudge(plan, seconds) {
    const handle = plan.handles[chosen]
    owner.begin()
    owner.write(handle.write(views.onFrame(plan, handle.at + seconds)))
    owner.end()
  }

  function point(plan, seconds) {
    place.playhead = views.onFrame(plan, Math.max(0, Math.min(plan.seconds, seconds)))
    place.zoom = views.showing(plan, view(plan), place.playhead)
  }

  function leave() {
    hovered = null
    refresh()
  }

  element.addEventListener('pointerdown', down)
  element.addEventListener('pointermove', move)
  for (const end of ['pointerup', 'pointercancel', 'lostpointercapture']) {
    element.addEventListener(end, up)
  }
  element.addEventListener('pointerleave', leave)
  // before Nodes 2.0, which zooms the graph with what it sees on the way down
  window.addEventListener('wheel', wheel, { capture: true, passive: false })
  element.addEventListener('keydown', key)
  element.addEventListener('focus', refresh)
  element.addEventListener('blur', () => {
    chosen = -1
    refresh()
  })
  element.addEventListener('dblclick', () => {
    place.zoom = null
    refresh()
  })
  const sized = new ResizeObserver(refresh)
  sized.observe(element)

  return {
    element,
    refresh,
    view: () => view(),
    remove() {
      sized.disconnect()
      window.removeEventListener('wheel', wheel, { capture: true })
      floating.hide()
      if (drag) owner.end()
      drag = null
    }
  }
}

/** Pixels of the screen for one of the canvas: the graph around it may be scaled. */
function scaleOf(canvas) {
  const zoom = canvas.getBoundingClientRect().width / (canvas.clientWidth || 1)
  return Math.min(SHARPEST, Math.max(1, Math.ceil(2 * zoom * devicePixelRatio) / 2))
}

/** How much of the media of a plan is read. @param {Plan} plan */
function read(plan) {
  return plan.bars.map(({ media }) => media && [media.version, Boolean(media.peaks)])
}

function withoutMedia(key, value) {
  return key === 'media' ? undefined : value
}
