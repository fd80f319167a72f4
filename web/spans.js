/**
 * The text of a storyboard, as shots in time and back. It reads what
 * `sora_core/prompts/storyboard.py` reads; whatever that would refuse is `null` here.
 *
 * @typedef {{start: number, end: number, text: string}} Shot  seconds of the canvas
 */

const CLOCK = '(?:\\d+:)?\\d+(?:\\.\\d+)?'
const TIMED = new RegExp(
  `^[^\\w]*(${CLOCK})\\s*s?(?:ec(?:onds)?)?\\s*(?:-|\u2013|\\bto\\b)\\s*(${CLOCK})\\s*` +
    '(?:s|sec|seconds)?\\b\\s*[\\])]?\\s*[:,.\u2013-]?\\s+(.*)$',
  'i'
)
const BULLET = /^(?:[-*\u2022]|(?:shot|scene)?\s*\d+\s*[.):])\s+/i
const NEXT = /(?<=[.!?])\s+|[,;]?\s+(?:and\s+)?then,?\s+|[.,;]?\s*\bcut to:?\s+|;\s*/i
const FIRST = /^(?:then|next|finally|cut to:?|after that)\b,?\s*/i
const LOOSE = 1e-6

/**
 * The shots of `text`: as timed, or sharing `seconds` evenly where none has a time.
 *
 * @param {string} text
 * @param {number} seconds
 * @returns {Shot[] | null} null where some have times and others none, or times do not join
 */
export function shotsOf(text, seconds) {
  const pieces = piecesOf(text)
  const timed = pieces.map((piece) => TIMED.exec(piece))
  if (!timed.some(Boolean)) {
    const each = seconds / pieces.length
    return pieces.map((piece, i) => ({ start: i * each, end: (i + 1) * each, text: piece }))
  }
  if (!timed.every(Boolean)) return null
  const shots = timed.map(([, start, end, said]) => ({
    start: secondsOf(start),
    end: secondsOf(end),
    text: said
  }))
  const joined = shots.every((shot, i) => {
    const before = i ? shots[i - 1].end : 0
    return shot.end > shot.start && Math.abs(shot.start - before) < LOOSE
  })
  return joined ? shots : null
}

/**
 * A line for each shot, which `shotsOf` reads back.
 *
 * @param {Shot[]} shots
 */
export function scriptOf(shots) {
  return shots.map((shot) => `${shot.start}-${shot.end}s: ${shot.text}`).join('\n')
}

/**
 * `shots` where the one after `border` begins at `at`; the last ends at `seconds`.
 *
 * @param {Shot[]} shots
 * @param {number} border  0 is between the first and the second
 * @param {number} at
 * @param {number} seconds
 */
export function moved(shots, border, at, seconds) {
  const starts = shots.map((shot) => tidy(shot.start))
  starts[border + 1] = tidy(at)
  return shots.map((shot, i) => ({
    start: starts[i],
    end: starts[i + 1] ?? tidy(seconds),
    text: shot.text
  }))
}

/**
 * Seconds as a widget shows them.
 *
 * @param {number} seconds
 */
export function tidy(seconds) {
  return Number(seconds.toFixed(3))
}

/** @param {string} text */
function piecesOf(text) {
  let lines = text.split(/\r?\n/).map((line) => line.trim()).filter(Boolean)
  if (lines.length === 1) {
    const parts = lines[0].split(';').map((part) => part.trim()).filter(Boolean)
    lines = parts.some((part) => TIMED.test(part)) ? parts : lines[0].split(NEXT)
  }
  return lines
    .map((line) => (TIMED.test(line) ? line : line.replace(BULLET, '')))
    .map((line) => line.trim().replace(FIRST, '').replace(/^[ ;,]+|[ ;,]+$/g, ''))
    .filter(Boolean)
}

/** @param {string} clock */
function secondsOf(clock) {
  const [minutes, seconds] = clock.includes(':') ? clock.split(':') : ['0', clock]
  return 60 * Number(minutes) + Number(seconds)
}
