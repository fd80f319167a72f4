/**
 * The part of a canvas that a timeline shows: seconds to pixels and back, zoom, scroll, snapping.
 * All here is pure.
 *
 * @typedef {import('./plan.js').Plan} Plan
 * @typedef {import('./plan.js').Handle} Handle
 *
 * @typedef {object} View
 * @property {number} start  second at the left edge
 * @property {number} seconds  from the left edge to the right one
 * @property {number} width  pixels of the whole widget
 */

export const MARGIN = 12 // pixels at both ends, so that a border at second 0 can be grabbed
const GRIP = 7 // pixels from a border at which it is still grabbed
const SNAP = 6 // pixels from a target at which a border jumps to it
const SPARE = 1.3 // seconds shown for each second of a canvas that may become longer
const LEAST_FRAMES = 4 // at the closest zoom
const STEP = 0.05 // seconds, where no frame rate is known
const LABEL = 44 // pixels between two labels of the ruler, at least
const HOUR = 3600
const TICKS = [0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200]

/** Seconds that can be scrolled to: more than the canvas has, where it may grow. @param {Plan} plan */
export function extentOf(plan) {
  return plan.seconds * (plan.handles.some((handle) => handle.grows) ? SPARE : 1)
}

/**
 * The whole canvas, or the part of it that was zoomed to.
 *
 * @param {Plan} plan
 * @param {number} width
 * @param {{start: number, seconds: number} | null} zoom
 * @returns {View}
 */
export function viewOf(plan, width, zoom = null) {
  const extent = extentOf(plan)
  if (!zoom || zoom.seconds >= extent) return { start: 0, seconds: extent, width }
  const start = between(zoom.start, 0, extent - zoom.seconds)
  return { start, seconds: zoom.seconds, width }
}

/** Pixels of the widget. @param {View} view @param {number} seconds */
export function xOf(view, seconds) {
  return MARGIN + ((seconds - view.start) / view.seconds) * (view.width - 2 * MARGIN)
}

/** @param {View} view @param {number} x */
export function secondsAt(view, x) {
  return view.start + ((x - MARGIN) / (view.width - 2 * MARGIN)) * view.seconds
}

/**
 * `view` closer by `factor`, with the same moment at `x`; null where it shows everything.
 *
 * @param {Plan} plan
 * @param {View} view
 * @param {number} factor  above 1 shows less
 * @param {number} x
 */
export function zoomed(plan, view, factor, x) {
  const extent = extentOf(plan)
  const seconds = Math.max(view.seconds / factor, LEAST_FRAMES * stepOf(plan))
  if (seconds >= extent) return null
  const fixed = secondsAt(view, x)
  const start = fixed - ((fixed - view.start) / view.seconds) * seconds
  return { start: between(start, 0, extent - seconds), seconds }
}

/** `view` moved by pixels to the right. @param {Plan} plan @param {View} view @param {number} pixels */
export function scrolled(plan, view, pixels) {
  const extent = extentOf(plan)
  if (view.seconds >= extent) return null
  const by = (pixels / (view.width - 2 * MARGIN)) * view.seconds
  return { start: between(view.start + by, 0, extent - view.seconds), seconds: view.seconds }
}

/** `view` moved as little as needed to show a moment. @param {Plan} plan @param {View} view */
export function showing(plan, view, seconds) {
  if (view.seconds >= extentOf(plan)) return null
  const start = between(view.start, seconds - view.seconds, seconds)
  return { start, seconds: view.seconds }
}

/** Seconds of one frame, or of a small step where no rate is known. @param {Plan} plan */
export function stepOf(plan) {
  return plan.fps ? 1 / plan.fps : STEP
}

/** The nearest moment at which a frame begins. @param {Plan} plan @param {number} seconds */
export function onFrame(plan, seconds) {
  return Math.round(seconds / stepOf(plan)) * stepOf(plan)
}

/**
 * The nearest border within reach, else what lies under the pointer.
 *
 * @param {Plan} plan
 * @param {View} view
 * @param {number} x
 * @returns {Handle | null}
 */
export function handleAt(plan, view, x) {
  const reach = (handle) => Math.abs(xOf(view, handle.at) - x)
  const near = plan.handles.filter((one) => one.until === undefined && reach(one) <= GRIP)
  if (near.length) return near.reduce((a, b) => (reach(b) < reach(a) ? b : a))
  const over = (one) => x >= xOf(view, one.at) && x <= xOf(view, one.until)
  return plan.handles.find((one) => one.until !== undefined && over(one)) ?? null
}

/**
 * Where a dragged handle comes to lie: on a border of something else, on a whole second, on the
 * playhead; else where the nearest frame begins.
 *
 * @param {Plan} plan  as it was when the drag began
 * @param {View} view
 * @param {Handle} handle
 * @param {number} seconds  where the pointer leaves it
 * @param {number | null} playhead
 * @returns {{at: number, line: number | null}} `line` is the target it snapped to
 */
export function snapped(plan, view, handle, seconds, playhead) {
  const lasts = (handle.until ?? handle.at) - handle.at
  const reach = (SNAP / (view.width - 2 * MARGIN)) * view.seconds
  const ends = lasts ? [0, lasts] : [0]
  const found = targetsOf(plan, handle, view, playhead)
    .flatMap((line) => ends.map((end) => ({ at: line - end, line })))
    .map((one) => ({ ...one, far: Math.abs(one.at - seconds) }))
    .filter(({ far }) => far <= reach)
    .sort((a, b) => a.far - b.far)
  return found.length ? found[0] : { at: onFrame(plan, seconds), line: null }
}

/** Moments that attract a handle. */
function targetsOf(plan, handle, view, playhead) {
  const own = [handle.at, handle.until]
  const borders = [
    ...plan.bars.flatMap(({ start, end }) => [start, end]),
    ...plan.prompts.flatMap(({ start, end }) => [start, end])
  ].filter((at) => !own.some((mine) => mine !== undefined && Math.abs(mine - at) < 1e-6))
  const first = Math.max(0, Math.ceil(view.start))
  const last = Math.floor(view.start + view.seconds)
  const count = last - first + 1
  const whole = count > 0 && count < view.width / LABEL ? range(first, count) : []
  return [0, ...borders, ...whole, ...(playhead === null ? [] : [playhead])]
}

/** Moments that the ruler names. @param {View} view */
export function ticksOf(view) {
  const least = (LABEL / (view.width - 2 * MARGIN)) * view.seconds
  const step = TICKS.find((tick) => tick >= least) ?? Math.ceil(least / HOUR) * HOUR
  const first = Math.ceil(view.start / step - 1e-6)
  const count = Math.floor((view.start + view.seconds) / step + 1e-6) - first + 1
  return range(first, count).map((i) => Number((i * step).toFixed(3)))
}

function range(first, count) {
  return Array.from({ length: Math.max(0, count) }, (_, i) => first + i)
}

function between(value, low, high) {
  return Math.max(low, Math.min(high, value))
}
