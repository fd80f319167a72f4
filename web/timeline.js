/**
 * A widget that draws a plan to scale and lets its borders be dragged. It has no value of its own:
 * a drag writes the node's other widgets, and only those are saved.
 *
 * @typedef {import('./plan.js').Plan} Plan
 * @typedef {import('./plan.js').Handle} Handle
 */

import { firmnessAt } from './curve.js'
import { snapped } from './plan.js'

const HEIGHT = 72
const AXIS = 14
const WORDS = 18
const MARGIN = 15 // as the host's own widgets
const FADED = 0.85 // of footage that is not kept at all
const GRIP = 7 // pixels from a border at which it is still taken
const ROOM = 1.3 // seconds shown for each second of a canvas that may be made longer
const COLOURS = ['#569cd6', '#d69d56', '#9c78c8', '#78b464'] // those of sora_core/picture.py
const RING = '#78c8a0'
const HOUR = 3600
const TICKS = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200]

/**
 * The widget, to be added last to a node.
 *
 * @param {() => Plan | null} plan  what the node makes, as of now
 * @param {(values: Record<string, number | string>) => void} write  sets widgets of the node
 * @param {object} theme  LiteGraph, for the colours of the user's theme
 */
export function timeline(plan, write, theme) {
  /** @type {{handle: Handle, view: number, by: number} | null} */
  let drag = null
  let hovered = null

  return {
    type: 'sora_timeline',
    name: 'timeline',
    value: null,
    serialize: false,
    options: { serialize: false },
    plan,
    computeSize: (width) => [width ?? 0, HEIGHT],

    draw(ctx, node, width, y) {
      const shown = plan()
      if (!shown) return
      const scale = scaleOf(width, drag?.view ?? viewOf(shown))
      ctx.save()
      drawPlan(ctx, shown, scale, y, theme)
      for (const handle of shown.handles) {
        if (handle.until !== undefined) continue
        drawBorder(ctx, scale.x(handle.at), y, handle.at === hovered, theme)
      }
      ctx.restore()
    },

    /** Whether something is to be taken at a place on the node. @param {number[]} pos */
    hover([x], node) {
      const shown = plan()
      const taken = shown && handleAt(shown, scaleOf(node.size[0], viewOf(shown)), x)
      hovered = taken?.at ?? null
      return taken
    },

    onPointerDown(pointer, node) {
      const shown = plan()
      if (!shown) return false
      const view = viewOf(shown)
      const scale = scaleOf(node.size[0], view)
      const place = (event) => scale.seconds(event.canvasX - node.pos[0])
      const handle = handleAt(shown, scale, pointer.eDown.canvasX - node.pos[0])
      if (!handle) return false
      pointer.onDragStart = () => {
        drag = { handle, view, by: place(pointer.eDown) - handle.at }
      }
      pointer.onDrag = (event) => {
        if (drag) write(drag.handle.write(snapped(shown, place(event) - drag.by)))
      }
      pointer.finally = () => {
        drag = null
        node.setDirtyCanvas(true, true)
      }
      return true
    }
  }
}

/** Seconds that are shown: more than the canvas has, where it may grow. @param {Plan} plan */
export function viewOf(plan) {
  return plan.seconds * (plan.handles.some((handle) => handle.grows) ? ROOM : 1)
}

/** From seconds to pixels of the node and back. @param {number} width @param {number} view */
export function scaleOf(width, view) {
  const room = width - 2 * MARGIN
  return {
    view,
    room,
    x: (seconds) => MARGIN + (Math.max(0, Math.min(view, seconds)) / view) * room,
    seconds: (x) => ((x - MARGIN) / room) * view
  }
}

/** The nearest border within reach, else what is under the pointer. */
function handleAt(plan, scale, x) {
  const reach = (handle) => Math.abs(scale.x(handle.at) - x)
  const borders = plan.handles.filter((handle) => handle.until === undefined)
  const near = borders.filter((handle) => reach(handle) <= GRIP)
  if (near.length) return near.reduce((a, b) => (reach(b) < reach(a) ? b : a))
  return plan.handles.find(
    (handle) => handle.until !== undefined && x >= scale.x(handle.at) && x <= scale.x(handle.until)
  )
}

function drawPlan(ctx, plan, scale, y, theme) {
  const track = HEIGHT - AXIS - (plan.prompts.length ? WORDS : 0)
  const [left, right] = [scale.x(0), scale.x(plan.seconds)]
  ctx.fillStyle = theme.WIDGET_BGCOLOR
  ctx.fillRect(left, y, right - left, track)
  plan.bars.forEach((bar, i) => {
    drawBar(ctx, bar, COLOURS[i % COLOURS.length], scale, y, track, theme)
  })
  ctx.strokeStyle = theme.WIDGET_OUTLINE_COLOR
  ctx.setLineDash(plan.known ? [] : [3, 3])
  ctx.strokeRect(left, y, right - left, track)
  ctx.setLineDash([])
  if (plan.ring) {
    ctx.fillStyle = RING
    for (const x of [left - 4, right]) ctx.fillRect(x, y, 4, track)
  }
  for (const shot of plan.prompts) drawShot(ctx, shot, scale, y + track, theme)
  drawAxis(ctx, plan, scale, y + HEIGHT - AXIS, theme)
}

function drawBar(ctx, bar, colour, scale, y, track, theme) {
  const [left, right] = [scale.x(bar.start), Math.max(scale.x(bar.end), scale.x(bar.start) + 2)]
  const [top, height] = [y + bar.upper * track, (bar.lower - bar.upper) * track]
  ctx.save()
  ctx.beginPath()
  ctx.rect(left, top, right - left, height)
  ctx.clip()
  if (!bar.open) {
    ctx.fillStyle = colour
    ctx.fillRect(left, top, right - left, height)
    drawFrames(ctx, bar, scale, top, height)
  }
  drawFirmness(ctx, bar, scale, top, height, theme)
  ctx.restore()
  ctx.strokeStyle = colour
  ctx.setLineDash(bar.open || !bar.known ? [3, 3] : [])
  ctx.strokeRect(left, top, right - left, height)
  ctx.setLineDash([])
  if (bar.known) return
  ctx.fillStyle = theme.WIDGET_TEXT_COLOR
  ctx.font = '12px sans-serif'
  ctx.textAlign = 'right'
  ctx.fillText('?', right - 5, top + 14)
}

/** Covers what is not kept, and draws how much is, where that changes: the top keeps all. */
function drawFirmness(ctx, bar, scale, top, height, theme) {
  const [left, right] = [scale.x(bar.start), scale.x(bar.end)]
  if (right <= left) return
  const [first, last] = [left, right].map((x) => scale.seconds(x) - bar.start)
  const within = bar.curve.filter(([seconds]) => seconds > first && seconds < last)
  const ends = [first, last].map((seconds) => [seconds, firmnessAt(bar.curve, seconds)])
  const bends = [ends[0], ...within, ends[1]]
  const cover = ctx.createLinearGradient(left, 0, right, 0)
  for (const [seconds, firmness] of bends) {
    const share = (bar.open ? 1 : FADED) * (1 - firmness)
    const colour = `color-mix(in srgb, ${theme.WIDGET_BGCOLOR} ${100 * share}%, transparent)`
    cover.addColorStop((seconds - first) / (last - first), colour)
  }
  ctx.fillStyle = cover
  ctx.fillRect(left, top, right - left, height)
  if (bar.curve.length < 2) return
  ctx.strokeStyle = theme.WIDGET_TEXT_COLOR
  ctx.lineWidth = 2
  ctx.beginPath()
  for (const [seconds, firmness] of bends) {
    ctx.lineTo(scale.x(bar.start + seconds), top + 1 + (1 - firmness) * (height - 2))
  }
  ctx.stroke()
}

/** As many whole frames as fit side by side, each near the moment that it shows. */
function drawFrames(ctx, bar, scale, top, height) {
  const { frames } = bar
  if (!frames.length) return
  const left = scale.x(bar.start)
  const wide = (height * frames[0].width) / frames[0].height
  const count = Math.max(1, Math.ceil((scale.x(bar.end) - left) / wide))
  for (let i = 0; i < count; i++) {
    const frame = frames[Math.floor(((i + 0.5) / count) * frames.length)]
    ctx.drawImage(frame, left + i * wide, top, wide, height)
  }
}

function drawShot(ctx, shot, scale, y, theme) {
  const [left, right] = [scale.x(shot.start), scale.x(shot.end)]
  ctx.save()
  ctx.beginPath()
  ctx.rect(left, y, right - left, WORDS)
  ctx.clip()
  ctx.strokeStyle = theme.WIDGET_OUTLINE_COLOR
  ctx.strokeRect(left, y, right - left, WORDS)
  ctx.fillStyle = theme.WIDGET_TEXT_COLOR
  ctx.font = '11px sans-serif'
  ctx.textAlign = 'left'
  ctx.fillText(shot.text, left + 5, y + 13)
  ctx.restore()
}

function drawAxis(ctx, plan, scale, y, theme) {
  ctx.fillStyle = theme.WIDGET_SECONDARY_TEXT_COLOR
  ctx.font = '9px sans-serif'
  ctx.textAlign = 'center'
  const least = (44 / scale.room) * scale.view
  const step = TICKS.find((tick) => tick >= least) ?? Math.ceil(least / HOUR) * HOUR
  for (let i = 0; i * step <= scale.view + 1e-6; i++) {
    ctx.fillRect(scale.x(i * step), y, 1, 3)
    ctx.fillText(`${Number((i * step).toFixed(2))}s`, scale.x(i * step), y + 12)
  }
}

function drawBorder(ctx, x, y, hovered, theme) {
  ctx.fillStyle = theme.WIDGET_TEXT_COLOR
  ctx.globalAlpha = hovered ? 1 : 0.6
  ctx.beginPath()
  ctx.roundRect(x - 2, y - 1, 4, HEIGHT - AXIS + 2, 2)
  ctx.fill()
  ctx.globalAlpha = 1
}
