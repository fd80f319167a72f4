/**
 * Firmness over time, as `sora_core/canvas/canvas.py` reads it: points of seconds since the footage
 * appears and the firmness there, straight lines between, level beyond the ends.
 *
 * @typedef {[seconds: number, firmness: number][]} Curve
 */

import { tidy } from './storyboard.js'

const NUMBER = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i

/**
 * The curve of `text`; null where there is none, or one that would be refused.
 *
 * @param {string} text
 * @returns {Curve | null}
 */
export function curveOf(text) {
  const points = text.split(/[,;\n]/).filter((point) => point.trim())
  const pairs = points.map((point) => point.split(':').map((part) => part.trim()))
  const written = pairs.every((pair) => pair.length === 2 && pair.every((part) => NUMBER.test(part)))
  if (!pairs.length || !written) return null
  const curve = pairs.map(([seconds, firmness]) => [Number(seconds), Number(firmness)])
  const rises = curve.every(([seconds], i) => !i || seconds > curve[i - 1][0])
  return rises && curve.every(([, value]) => value >= 0 && value <= 1) ? curve : null
}

/**
 * The text that `curveOf` reads back, of the curve as seen from so many seconds later.
 *
 * @param {Curve} curve
 * @param {number} later
 */
export function textOf(curve, later) {
  return curve.map(([seconds, firmness]) => `${tidy(seconds - later)}: ${firmness}`).join(', ')
}

/**
 * @param {Curve} curve  a time that is there twice is a step
 * @param {number} seconds
 */
export function firmnessAt(curve, seconds) {
  const next = curve.findIndex(([time]) => time > seconds)
  if (next < 0) return curve.at(-1)[1]
  if (!next) return curve[0][1]
  const [[before, from], [after, to]] = [curve[next - 1], curve[next]]
  return from + ((to - from) * (seconds - before)) / (after - before)
}
