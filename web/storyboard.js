/**
 * The grammar of a storyboard: text with times before or behind its shots, a list, or a paragraph.
 * `sora_core/prompts/shots.py` reads the same text for a run; `tests/boards.json` holds what both
 * read. Python's `\w` and `\b` know every alphabet, hence the classes written out here.
 *
 * @typedef {{start: number, end: number, text: string}} Shot  seconds of the canvas
 * @typedef {{start: number, end: number, frames: boolean, text: string}} Timed  frames: no seconds
 */

const LETTER = '[\\p{L}\\p{N}_]'
const NO_LETTER = '[^\\p{L}\\p{N}_]'
const EDGE = `(?:(?<=${LETTER})(?!${LETTER})|(?<!${LETTER})(?=${LETTER}))`
const CLOCK = '(?:[0-9]+:)?[0-9]+(?:\\.[0-9]+)?'
const UNIT = `(?:seconds|secs?|s)${EDGE}`
const SPAN = `(${CLOCK})\\s*(?:${UNIT})?\\s*(?:-|\u2013|${EDGE}to${EDGE})\\s*(${CLOCK})`
const TIME_BEFORE = new RegExp(
  `^${NO_LETTER}*(?:from\\s+)?${SPAN}\\s*(?:${UNIT})?\\s*[\\])]?\\s*[:,.\u2013\\-]?\\s+(.*)$`,
  'iu'
)
const TIME_BEHIND = new RegExp(`^(.*\\S)\\s*\\[\\s*${SPAN}\\s*(${UNIT})?\\s*\\]\\s*$`, 'iu')
const NO_END = new RegExp(
  `^${NO_LETTER}*(?:at\\s+|from\\s+)?${CLOCK}\\s*${UNIT}\\s*[\\])]?\\s*[\\]):,.\\-]`,
  'iu'
)
const INLINE = new RegExp(
  `(?:${EDGE}from\\s+|[\\[(]\\s*)?${EDGE}${SPAN}\\s*(?:${UNIT}|(?=[\\])]|\\s*:))`,
  'giu'
)
const BAR = /\{[^{}]*\}|(\|)/g // {a|b} is a choice of the page, not two shots
const LINE = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/
const BULLET =
  /^(?:[-*\u2022]|[0-9]+\s*[.):]|(?:shot|scene)\s*(?:[0-9]+|one|two|three|four|five|six|seven|eight)\s*[.):-])\s+/iu
const NEXT = new RegExp(
  `(?<=[.!?])\\s+|[,;]?\\s+(?:and\\s+)?then,?\\s+|[.,;]?\\s*${EDGE}cut to:?\\s+|;\\s*`,
  'iu'
)
const LAST = /(?:[,;.\s]+(?:and|then))+[,\s]*$/iu
const FIRST = new RegExp(`^(?:then|next|finally|cut to:?|after that)${EDGE},?\\s*`, 'iu')
const DIGITS = /^[0-9]+$/
const MAX_SHOTS = 64
const TOLERANCE = 1e-6

/**
 * The shots of `text`, in order and without gaps.
 *
 * @param {string} text
 * @param {number} seconds  of the canvas
 * @returns {Shot[] | null} null where a run would refuse the text, unless only its end differs
 *   from `seconds`: see `endsWith`
 */
export function shotsOf(text, seconds) {
  const pieces = split(text)
  if (!pieces.length || pieces.length > MAX_SHOTS) return null
  const timed = pieces.map(timeOf)
  if (pieces.some((piece, i) => !timed[i] && TIME_BEFORE.test(`${piece} .`))) return null
  if (!timed.some(Boolean)) {
    if (pieces.some((piece) => NO_END.test(piece))) return null
    const each = seconds / pieces.length
    return pieces.map((piece, i) => ({ start: i * each, end: (i + 1) * each, text: piece }))
  }
  if (!timed.every((found) => found?.text)) return null
  if (timed.some(({ frames }) => frames)) return fromFrames(timed, seconds)
  const joined = timed.every(({ start, end }, i) => {
    const before = i ? timed[i - 1].end : 0
    return end > start && Math.abs(start - before) < TOLERANCE
  })
  return joined ? timed.map(({ start, end, text }) => ({ start, end, text })) : null
}

/**
 * Whether the last shot ends with the canvas, as a run demands.
 *
 * @param {Shot[]} shots
 * @param {number} seconds  of the canvas
 */
export function endsWith(shots, seconds) {
  return Math.abs(shots.at(-1).end - seconds) < TOLERANCE
}

/**
 * A line for each shot, which `shotsOf` reads back.
 *
 * @param {Shot[]} shots
 */
export function scriptOf(shots) {
  return shots.map(({ start, end, text }) => `${tidy(start)}-${tidy(end)}s: ${text}`).join('\n')
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
  return shots.map(({ text }, i) => ({
    start: starts[i],
    end: starts[i + 1] ?? tidy(seconds),
    text
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

/** Parts between bars, else lines, else timed parts, else sentences. @param {string} text */
function split(text) {
  const bars = [...text.matchAll(BAR)].filter(([, bar]) => bar).map(({ index }) => index)
  const parts = [-1, ...bars].map((bar, i) => text.slice(bar + 1, bars[i]))
  let lines = parts.flatMap((part) => part.split(LINE)).map((line) => line.trim()).filter(Boolean)
  if (parts.length === 1 && lines.length === 1) {
    const [line] = lines
    const cuts = [...line.matchAll(INLINE)].map(({ index }) => index)
    if (TIME_BEFORE.test(line) && cuts.length) {
      lines = cuts.map((cut, i) => line.slice(cut, cuts[i + 1]))
    } else if (!TIME_BEHIND.test(line)) {
      lines = line.split(NEXT)
    }
  }
  return lines
    .map((line) => (timeOf(line) ? line : line.replace(BULLET, '')))
    .map((line) => stripped(line.trim().replace(FIRST, '').replace(LAST, '')))
    .filter(Boolean)
}

/** When a piece starts and ends, and its text without that. @returns {Timed | null} */
function timeOf(piece) {
  const before = TIME_BEFORE.exec(piece)
  if (before) {
    const [, start, end, text] = before
    return { start: secondsOf(start), end: secondsOf(end), frames: false, text }
  }
  const behind = TIME_BEHIND.exec(piece)
  if (!behind) return null
  const [, text, start, end, unit] = behind
  return {
    start: secondsOf(start),
    end: secondsOf(end),
    frames: !unit && DIGITS.test(start) && DIGITS.test(end),
    text: stripped(text.trim().replace(BULLET, '').replace(FIRST, ''))
  }
}

/** Shots whose frames are stretched so that the last one ends at `seconds`. */
function fromFrames(timed, seconds) {
  const joined = timed.every(({ start, end, frames }, i) => {
    const at = i ? timed[i - 1].end : 0
    return frames && end > start && (start === at || start === at + 1)
  })
  if (!joined) return null
  const first = timed[0].start
  const inside = timed.slice(1).some(({ start }, i) => start > timed[i].end)
  const total = timed.at(-1).end - first + (inside ? 1 : 0)
  const starts = timed.map(({ start }) => ((start - first) / total) * seconds)
  return timed.map(({ text }, i) => ({ start: starts[i], end: starts[i + 1] ?? seconds, text }))
}

/** @param {string} line */
function stripped(line) {
  return line.replace(/^[ ;,]+|[ ;,]+$/g, '')
}

/** @param {string} clock */
function secondsOf(clock) {
  const [minutes, seconds] = clock.includes(':') ? clock.split(':') : ['0', clock]
  return 60 * Number(minutes) + Number(seconds)
}
