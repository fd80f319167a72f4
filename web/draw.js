/**
 * Draws a plan: a ruler, footage with its frames, its sound and how firmly it is held, and prompts.
 *
 * @typedef {import('./plan.js').Plan} Plan
 * @typedef {import('./plan.js').Bar} Bar
 * @typedef {import('./view.js').View} View
 *
 * @typedef {{background: string, outline: string, text: string, faint: string}} Theme
 *
 * @typedef {object} Marks  what the user points at
 * @property {number | null} playhead
 * @property {number | null} hovered  the border that the pointer or the keyboard has chosen
 * @property {number | null} line  what a dragged border snapped to
 * @property {boolean} focused
 */

import { firmnessAt } from './curve.js'
import { PEAKS } from './media.js'
import { extentOf, MARGIN, ticksOf, xOf } from './view.js'

export const HEIGHT = 84
export const RULER = 16
const WORDS = 18
const SOUND = 0.34 // share of a bar that shows its sound
const FADED = 0.85 // of footage that is not held at all
const COLOURS = ['#569cd6', '#d69d56', '#9c78c8', '#78b464'] // those of sora_core/canvas/thumbnail.py
const RING = '#78c8a0'
const REFUSED = '#d66060'
const PLAYHEAD = '#e8b04a'

/**
 * @param {CanvasRenderingContext2D} ctx  in pixels of the widget
 * @param {Plan} plan
 * @param {View} view
 * @param {Marks} marks
 * @param {Theme} theme
 */
export function drawTimeline(ctx, plan, view, marks, theme) {
  ctx.clearRect(0, 0, view.width, HEIGHT)
  ctx.save()
  ctx.beginPath()
  ctx.rect(MARGIN - 4, 0, view.width - 2 * MARGIN + 8, HEIGHT)
  ctx.clip()
  const top = RULER
  const height = HEIGHT - RULER - (plan.prompts.length || plan.refused ? WORDS : 0) - 2
  const [left, right] = [xOf(view, 0), xOf(view, plan.seconds)]
  ctx.fillStyle = theme.background
  ctx.fillRect(left, top, right - left, height)
  plan.bars.forEach((bar, i) => {
    drawBar(ctx, bar, COLOURS[i % COLOURS.length], view, top, height, theme)
  })
  outline(ctx, left, top, right - left, height, theme.outline, !plan.known)
  if (plan.ring) {
    ctx.fillStyle = RING
    for (const x of [left - 4, right]) ctx.fillRect(x, top, 4, height)
  }
  for (const shot of plan.prompts) drawShot(ctx, shot, view, top + height, theme)
  if (plan.refused) drawRefused(ctx, plan, view, top + height)
  drawRuler(ctx, view, theme)
  for (const { at, until } of plan.handles) {
    const chosen = at === marks.hovered
    if (until === undefined) drawBorder(ctx, xOf(view, at), top, height, chosen, theme)
    else if (chosen) outline(ctx, xOf(view, at), top, xOf(view, until) - xOf(view, at), height, theme.text, false)
  }
  if (marks.line !== null) {
    ctx.fillStyle = PLAYHEAD
    ctx.fillRect(xOf(view, marks.line) - 0.5, 0, 1, HEIGHT)
  }
  if (marks.playhead !== null) drawPlayhead(ctx, xOf(view, marks.playhead))
  ctx.restore()
  drawScroll(ctx, plan, view, theme)
  if (marks.focused) outline(ctx, 1, 1, view.width - 2, HEIGHT - 2, theme.outline, false)
}

/** @param {Bar} bar */
function drawBar(ctx, bar, colour, view, y, track, theme) {
  const [left, right] = [xOf(view, bar.start), Math.max(xOf(view, bar.end), xOf(view, bar.start) + 2)]
  const [top, height] = [y + bar.upper * track, (bar.lower - bar.upper) * track]
  ctx.save()
  ctx.beginPath()
  ctx.rect(left, top, right - left, height)
  ctx.clip()
  if (!bar.open) {
    ctx.fillStyle = colour
    ctx.fillRect(left, top, right - left, height)
    const sound = bar.media?.peaks ? SOUND * height : 0
    drawFilmstrip(ctx, bar, view, top, height - sound)
    if (sound) drawSound(ctx, bar, view, top + height - sound, sound, theme)
  }
  drawFirmness(ctx, bar, view, top, height, theme)
  ctx.restore()
  outline(ctx, left, top, right - left, height, colour, bar.open || !bar.known)
  if (bar.known) return
  ctx.fillStyle = theme.text
  ctx.font = '12px sans-serif'
  ctx.textAlign = 'right'
  ctx.fillText('?', right - 5, top + 14)
}

/** Whole frames side by side, each the one at the middle of its place; asks for those it lacks. */
function drawFilmstrip(ctx, bar, view, top, height) {
  const { media } = bar
  if (!media?.pictureAt) return
  const first = media.pictureAt(bar.offset)
  const wide = first ? (height * first.width) / first.height : height
  const from = Math.floor(Math.max(0, -xOf(view, bar.start)) / wide)
  const until = Math.ceil((Math.min(xOf(view, bar.end), view.width) - xOf(view, bar.start)) / wide)
  const perPixel = view.seconds / (view.width - 2 * MARGIN)
  const wanted = []
  for (let i = from; i < until; i++) {
    const since = Math.min((i + 0.5) * wide * perPixel, bar.end - bar.start)
    const at = bar.offset + since * bar.rate
    wanted.push(at)
    const picture = media.pictureAt(at)
    if (picture) ctx.drawImage(picture, xOf(view, bar.start) + i * wide, top, wide, height)
  }
  media.want(wanted.reverse())
}

/** How loud each pixel's share of the footage is. */
function drawSound(ctx, bar, view, top, height, theme) {
  ctx.fillStyle = theme.background
  ctx.fillRect(0, top, view.width, height)
  ctx.fillStyle = theme.text
  const perPixel = view.seconds / (view.width - 2 * MARGIN)
  const length = Math.max(1, perPixel * bar.rate * PEAKS)
  const last = Math.min(view.width, xOf(view, bar.end))
  for (let x = Math.max(0, xOf(view, bar.start)); x < last; x++) {
    const since = (x - xOf(view, bar.start)) * perPixel
    const slot = Math.floor((bar.offset + since * bar.rate) * PEAKS)
    const loud = Math.max(0, ...bar.media.peaks.subarray(slot, slot + length))
    const tall = Math.max(0.5, loud * (height - 2))
    ctx.fillRect(x, top + (height - tall) / 2, 1, tall)
  }
}

/** Covers what is not held, and draws how much is, where that changes: the top holds all. */
function drawFirmness(ctx, bar, view, top, height, theme) {
  const [left, right] = [xOf(view, bar.start), xOf(view, bar.end)]
  if (right <= left) return
  const lasts = bar.end - bar.start
  const within = bar.curve.filter(([seconds]) => seconds > 0 && seconds < lasts)
  const ends = [0, lasts].map((seconds) => [seconds, firmnessAt(bar.curve, seconds)])
  const bends = [ends[0], ...within, ends[1]]
  const cover = ctx.createLinearGradient(left, 0, right, 0)
  for (const [seconds, firmness] of bends) {
    const share = (bar.open ? 1 : FADED) * (1 - firmness)
    const colour = `color-mix(in srgb, ${theme.background} ${100 * share}%, transparent)`
    cover.addColorStop(Math.min(1, seconds / lasts), colour)
  }
  ctx.fillStyle = cover
  ctx.fillRect(left, top, right - left, height)
  if (bar.curve.length < 2) return
  ctx.strokeStyle = theme.text
  ctx.lineWidth = 2
  ctx.beginPath()
  for (const [seconds, firmness] of bends) {
    ctx.lineTo(xOf(view, bar.start + seconds), top + 1 + (1 - firmness) * (height - 2))
  }
  ctx.stroke()
}

function drawShot(ctx, shot, view, y, theme) {
  const [left, right] = [xOf(view, shot.start), xOf(view, shot.end)]
  ctx.save()
  ctx.beginPath()
  ctx.rect(left, y, right - left, WORDS)
  ctx.clip()
  outline(ctx, left, y, right - left, WORDS, theme.outline, false)
  ctx.fillStyle = theme.text
  ctx.font = '11px sans-serif'
  ctx.textAlign = 'left'
  ctx.fillText(shot.text, Math.max(left, MARGIN) + 5, y + 13)
  ctx.restore()
}

/** Frames the prompts that a run would refuse. */
function drawRefused(ctx, plan, view, y) {
  outline(ctx, xOf(view, 0), y, xOf(view, plan.seconds) - xOf(view, 0), WORDS, REFUSED, true)
  const end = plan.prompts.at(-1)?.end
  if (end === undefined) return
  ctx.fillStyle = REFUSED
  ctx.fillRect(xOf(view, end) - 1, y, 2, WORDS)
}

function drawRuler(ctx, view, theme) {
  ctx.fillStyle = theme.faint
  ctx.font = '9px sans-serif'
  ctx.textAlign = 'center'
  for (const seconds of ticksOf(view)) {
    const x = xOf(view, seconds)
    ctx.fillRect(x, RULER - 4, 1, 4)
    const label = `${seconds}s`
    const half = ctx.measureText(label).width / 2
    const inside = Math.max(MARGIN - 4 + half, Math.min(view.width - MARGIN + 4 - half, x))
    ctx.fillText(label, inside, RULER - 6)
  }
}

function drawBorder(ctx, x, top, height, chosen, theme) {
  ctx.fillStyle = theme.text
  ctx.globalAlpha = chosen ? 1 : 0.6
  ctx.beginPath()
  ctx.roundRect(x - 2, top - 1, 4, height + 2, 2)
  ctx.fill()
  ctx.globalAlpha = 1
}

function drawPlayhead(ctx, x) {
  ctx.fillStyle = PLAYHEAD
  ctx.fillRect(x - 0.75, 6, 1.5, HEIGHT - 6)
  ctx.beginPath()
  ctx.moveTo(x - 5, 2)
  ctx.lineTo(x + 5, 2)
  ctx.lineTo(x, 10)
  ctx.fill()
}

/** A bar along the bottom, as long as the share that is shown. */
function drawScroll(ctx, plan, view, theme) {
  const extent = extentOf(plan)
  if (view.seconds >= extent) return
  const whole = view.width - 2 * MARGIN
  ctx.fillStyle = theme.faint
  ctx.fillRect(MARGIN + (view.start / extent) * whole, HEIGHT - 2, (view.seconds / extent) * whole, 2)
}

function outline(ctx, x, y, width, height, colour, dashed) {
  ctx.strokeStyle = colour
  ctx.lineWidth = 1
  ctx.setLineDash(dashed ? [3, 3] : [])
  ctx.strokeRect(x, y, width, height)
  ctx.setLineDash([])
}
