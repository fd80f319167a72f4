/**
 * What a node of the pack puts on its canvas, as far as it can be known before a run, and what of
 * it may be dragged. All here is pure: a node is seen as a `Look`, a drag ends in widget values.
 *
 * @typedef {object} Look  a node of the graph
 * @property {string} type
 * @property {Record<string, any>} values  of its widgets; undefined where a link decides
 * @property {(input: string) => Look | null} from  the node that feeds an input
 * @property {import('./media.js').Media | null} media  what a loader holds
 *
 * @typedef {object} Bar  footage on the canvas, in seconds of the canvas
 * @property {number} start
 * @property {number} end
 * @property {boolean} known  whether its length is known, or a guess
 * @property {import('./curve.js').Curve} curve  how firmly it is kept, since its start
 * @property {number} upper  share of the height at which it begins
 * @property {number} lower  and ends
 * @property {import('./media.js').Media | null} media  where its frames and its sound are
 * @property {number} offset  second of the media at which it begins
 * @property {number} rate  seconds of the media for each second of the canvas
 * @property {boolean} [open]  a hole in what lies beneath
 *
 * @typedef {object} Handle  what may be dragged: a border, or all between two
 * @property {number} at
 * @property {number} [until]  the other end, of a handle that is more than a border
 * @property {boolean} [grows]  whether the canvas becomes longer with it
 * @property {(seconds: number) => Record<string, number | string>} write  widgets for a new `at`
 *
 * @typedef {object} Plan
 * @property {number} seconds
 * @property {boolean} known  whether the length is known, or a guess
 * @property {number} fps  0 where only the footage knows
 * @property {number} width
 * @property {number} height
 * @property {boolean} ring
 * @property {Bar[]} bars
 * @property {import('./storyboard.js').Shot[]} prompts
 * @property {boolean} refused  whether a run would refuse the prompts as they are
 * @property {Handle[]} handles
 */

import { curveOf, textOf } from './curve.js'
import { endsWith, moved, scriptOf, shotsOf, tidy } from './storyboard.js'

const GUESS = 2 // seconds of footage that nobody can measure before a run
const STEP = 0.05 // seconds, where no frame rate is known
const LOOP_FRAMES = 4 // a loop is a multiple of so many
const ASPECTS = { '16:9': 16 / 9, '4:3': 4 / 3, '1:1': 1, '3:4': 3 / 4, '9:16': 9 / 16 }

/** The input through which each node passes on what it shows. */
const PASSES = {
  CreateVideo: 'images',
  GetVideoComponents: 'video',
  SoraMeasureSeams: 'video',
  SoraDecodeVideo: 'latent',
  SoraDecodeFrames: 'latent',
  SoraSample: 'latent',
  SoraEncodeCanvas: 'canvas'
}

/** @type {Record<string, (look: Look) => Plan>} */
const PLANS = {
  SoraCanvas: canvas,
  SoraPlaceVideo: placeVideo,
  SoraPlaceImage: placeImage,
  SoraPlaceLatent: placeLatent,
  SoraImageToVideo: imageToVideo,
  SoraExtendVideo: extendVideo,
  SoraConnectVideos: connectVideos,
  SoraMorphVideos: morphVideos,
  SoraLoopVideo: loopVideo,
  SoraEditVideo: editVideo,
  SoraOutpaintVideo: outpaintVideo,
  SoraEncodeVideo: encodeVideo,
  SoraStoryboard: storyboard
}

/** The nodes that have a timeline: all that make a canvas. */
export const TIMED_NODES = Object.keys(PLANS).filter((type) => type !== 'SoraEncodeVideo')

/**
 * The plan of a node that makes a canvas; null for any other.
 *
 * @param {Look | null} look
 * @returns {Plan | null}
 */
export function planOf(look) {
  if (!look || !(look.type in PLANS)) return null
  const plan = PLANS[look.type](look)
  return { ...plan, seconds: Math.max(plan.seconds, frame(plan)) } // even a still image lasts
}

/** @param {Look} look @returns {Plan} */
function canvas(look) {
  const { aspect, width = 64, height = 64, seconds = 2, fps = 8 } = look.values
  const ratio = ASPECTS[aspect] ?? width / height
  return {
    ...empty(),
    seconds: Math.max(seconds, 1 / fps),
    known: look.values.seconds !== undefined,
    fps,
    width: Math.sqrt(width * height * ratio),
    height: Math.sqrt((width * height) / ratio),
    handles: [lasting(seconds, 0)]
  }
}

/** @param {Look} look @returns {Plan} */
function placeVideo(look) {
  const plan = beneath(look)
  const { start = 0, counted_from, skip = 0, seconds = 0, speed = 1 } = look.values
  const clip = footage(look, 'video')
  const whole = Math.max(0, (clip.seconds - skip) / speed)
  const lasts = Math.min(seconds || whole, whole)
  const fromEnd = counted_from === 'end'
  const left = fromEnd ? plan.seconds - start - lasts : start
  const counted = (at, length) => tidy(fromEnd ? plan.seconds - at - length : at)
  const bends = curveOf(look.values.curve ?? '')
  const part = { offset: skip, rate: speed, start: left, end: left + lasts }
  plan.bars.push({ ...clip, ...region(plan, look), ...part })
  plan.handles = [
    { at: left, until: left + lasts, write: (at) => ({ start: counted(at, lasts) }) },
    {
      at: left,
      write: (at) => {
        const cut = between(at - left, -skip / speed, lasts - frame(plan))
        return {
          start: counted(left + cut, lasts - cut),
          skip: tidy(skip + cut * speed),
          ...(seconds ? { seconds: tidy(lasts - cut) } : {}),
          ...(bends ? { curve: textOf(bends, cut) } : {})
        }
      }
    },
    {
      at: left + lasts,
      write: (at) => {
        const length = between(at - left, frame(plan), whole)
        const all = clip.known && whole - length < 1e-3
        return { start: counted(left, length), seconds: all ? 0 : tidy(length) }
      }
    }
  ]
  return plan
}

/** @param {Look} look @returns {Plan} */
function placeImage(look) {
  const plan = beneath(look)
  const { start = 0, counted_from, seconds = 0 } = look.values
  const lasts = Math.max(seconds, frame(plan))
  const fromEnd = counted_from === 'end'
  const left = fromEnd ? plan.seconds - start - lasts : start
  const counted = (at, length) => tidy(fromEnd ? plan.seconds - at - length : at)
  const image = { ...footage(look, 'image'), known: true }
  plan.bars.push({ ...image, ...region(plan, look), start: left, end: left + lasts })
  plan.handles = [
    { at: left, until: left + lasts, write: (at) => ({ start: counted(at, lasts) }) },
    {
      at: left + lasts,
      write: (at) => {
        const length = Math.max(at - left, frame(plan))
        const single = length < 1.5 * frame(plan)
        return { start: counted(left, length), seconds: single ? 0 : tidy(length) }
      }
    }
  ]
  return plan
}

/** @param {Look} look @returns {Plan} */
function placeLatent(look) {
  const plan = beneath(look)
  const { start = 0 } = look.values
  const latent = footage(look, 'latent')
  const end = start + latent.seconds
  plan.bars.push({ ...latent, start, end })
  plan.handles = [{ at: start, until: end, write: (at) => ({ start: tidy(Math.max(0, at)) }) }]
  return plan
}

/** What is left of a video in its latent. @param {Look} look @returns {Plan} */
function encodeVideo(look) {
  const { start = 0, seconds = 0 } = look.values
  const clip = footage(look, 'video')
  const rest = Math.max(0, clip.seconds - start)
  return { ...empty(), known: clip.known, seconds: seconds ? Math.min(seconds, rest) : rest }
}

/** @param {Look} look @returns {Plan} */
function imageToVideo(look) {
  const plan = { ...paced(look), seconds: look.values.seconds ?? GUESS }
  plan.known = look.values.seconds !== undefined
  const still = { ...footage(look, 'image'), known: true, start: 0, end: frame(plan) }
  plan.bars = [still]
  if (look.from('last_image')) {
    const last = { ...footage(look, 'last_image'), known: true }
    plan.bars.push({ ...last, start: plan.seconds - frame(plan), end: plan.seconds })
  }
  plan.handles = [lasting(plan.seconds, 0)]
  return plan
}

/** @param {Look} look @returns {Plan} */
function extendVideo(look) {
  const plan = paced(look)
  const { seconds = GUESS, direction } = look.values
  const clip = endPart(look, 'video', direction === 'forward')
  const before = direction === 'forward' ? 0 : seconds
  plan.seconds = clip.seconds + seconds * (direction === 'both' ? 2 : 1)
  plan.known = clip.known
  plan.bars = [{ ...clip, start: before, end: before + clip.seconds }]
  if (direction !== 'forward') plan.handles.push(lasting(seconds, 0))
  if (direction !== 'backward') {
    const ends = direction === 'both' ? 2 : 1
    plan.handles.push({
      at: plan.seconds,
      grows: true,
      write: (at) => ({ seconds: tidy(Math.max(0, (at - clip.seconds) / ends)) })
    })
  }
  return plan
}

/** @param {Look} look @returns {Plan} */
function connectVideos(look) {
  const plan = paced(look)
  const { seconds = GUESS } = look.values
  const [first, second] = [endPart(look, 'first', true), endPart(look, 'second', false)]
  const start = first.seconds + seconds
  plan.seconds = start + second.seconds
  plan.known = first.known && second.known
  plan.bars = [
    { ...first, start: 0, end: first.seconds },
    { ...second, start, end: plan.seconds }
  ]
  plan.handles = [lasting(start, first.seconds)]
  return plan
}

/** @param {Look} look @returns {Plan} */
function morphVideos(look) {
  const plan = paced(look)
  const [first, second] = [footage(look, 'first'), footage(look, 'second')]
  const longest = Math.min(first.seconds, second.seconds)
  const over = Math.min(look.values.seconds ?? GUESS, longest)
  const { firmness = 1 } = look.values
  const [start, half] = [first.seconds - over, over / 2]
  const falling = [[start, 1], [start + half, firmness], [start + half, 0]]
  const rising = [[half, 0], [half, firmness], [over, 1]]
  plan.seconds = start + second.seconds
  plan.known = first.known && second.known
  plan.bars = [
    { ...first, curve: falling, start: 0, end: first.seconds, lower: 0.5 },
    { ...second, curve: rising, start, end: plan.seconds, upper: 0.5 }
  ]
  plan.handles = [
    {
      at: start,
      grows: true,
      write: (at) => ({
        seconds: tidy(between(first.seconds - at, Math.min(2 * frame(plan), longest), longest))
      })
    }
  ]
  return plan
}

/** @param {Look} look @returns {Plan} */
function loopVideo(look) {
  if (!look.from('video')) return { ...beneath(look), ring: true }
  const plan = { ...paced(look), ring: true }
  const clip = footage(look, 'video')
  const whole = LOOP_FRAMES * frame(plan)
  const open = look.values.seconds ?? GUESS
  plan.seconds = Math.ceil((clip.seconds + open) / whole - 1e-6) * whole
  plan.known = clip.known
  plan.bars = [{ ...clip, start: 0, end: clip.seconds }]
  plan.handles = [lasting(clip.seconds + open, clip.seconds)]
  return plan
}

/** @param {Look} look @returns {Plan} */
function editVideo(look) {
  const plan = paced(look)
  const { start = 0, seconds = 0 } = look.values
  const clip = footage(look, 'video')
  const end = seconds ? Math.min(start + seconds, clip.seconds) : clip.seconds
  const until = (at) => (clip.known && clip.seconds - at < 1e-3 ? 0 : null)
  plan.seconds = clip.seconds
  plan.known = clip.known
  plan.bars = [
    { ...clip, curve: [[0, 1]], start: 0, end: clip.seconds },
    { ...clip, media: null, open: true, known: true, start, end }
  ]
  plan.handles = [
    {
      at: start,
      until: end,
      write: (at) => ({ start: tidy(between(at, 0, clip.seconds - (end - start))) })
    },
    {
      at: start,
      write: (at) => {
        const begin = between(at, 0, end - frame(plan))
        return { start: tidy(begin), seconds: seconds ? tidy(end - begin) : 0 }
      }
    },
    {
      at: end,
      write: (at) => {
        const stop = between(at, start + frame(plan), clip.seconds)
        return { seconds: until(stop) ?? tidy(stop - start) }
      }
    }
  ]
  return plan
}

/** @param {Look} look @returns {Plan} */
function outpaintVideo(look) {
  const plan = paced(look)
  const clip = footage(look, 'video')
  plan.seconds = clip.seconds
  plan.known = clip.known
  plan.bars = [{ ...clip, start: 0, end: clip.seconds, upper: 0.2, lower: 0.8 }]
  return plan
}

/** @param {Look} look @returns {Plan} */
function storyboard(look) {
  const plan = beneath(look)
  if (look.values.text === undefined) return plan
  const shots = shotsOf(look.values.text, plan.seconds)
  plan.refused = !shots
  if (!shots) return plan
  if (!plan.known) plan.seconds = shots.at(-1).end
  plan.refused = !endsWith(shots, plan.seconds)
  plan.prompts = shots
  plan.handles = shots.slice(1).map((shot, i) => ({
    at: shot.start,
    write: (at) => {
      const end = i + 2 < shots.length ? shots[i + 2].start : plan.seconds
      const least = shots[i].start + frame(plan)
      const text = scriptOf(moved(shots, i, between(at, least, end - frame(plan)), plan.seconds))
      return { text }
    }
  }))
  return plan
}

/** @returns {Plan} */
function empty() {
  const size = { width: 1, height: 1, fps: 0, seconds: GUESS }
  return { ...size, known: false, ring: false, refused: false, bars: [], prompts: [], handles: [] }
}

/** The canvas to which a node adds something. @param {Look} look @returns {Plan} */
function beneath(look) {
  const plan = planOf(look.from('canvas')) ?? empty()
  return { ...plan, bars: [...plan.bars], handles: [] }
}

/** An empty canvas at the rate and size that a node is given. @param {Look} look @returns {Plan} */
function paced(look) {
  const { fps, width, height } = beneath(look)
  return { ...empty(), fps, width, height }
}

/** @param {Plan} plan */
function frame(plan) {
  return plan.fps ? 1 / plan.fps : STEP
}

/**
 * What feeds an input, as a bar without a place.
 *
 * @param {Look} look
 * @param {string} input
 */
function footage(look, input) {
  let source = look.from(input)
  while (source && source.type in PASSES) source = source.from(PASSES[source.type])
  const media = source?.media ?? null
  const { seconds, known = seconds !== undefined } = media ?? planOf(source) ?? {}
  const { firmness = 1 } = look.values
  const curve = curveOf(look.values.curve ?? '') ?? [[0, firmness]]
  return {
    seconds: seconds ?? GUESS,
    known,
    media,
    offset: 0,
    rate: 1,
    curve,
    upper: 0,
    lower: 1
  }
}

/** Footage whose first or last seconds a node may keep. @param {Look} look @param {string} input */
function endPart(look, input, last) {
  const clip = footage(look, input)
  const keep = look.values.keep || clip.seconds
  const seconds = clip.known ? Math.min(keep, clip.seconds) : keep
  return { ...clip, seconds, offset: last ? clip.seconds - seconds : 0 }
}

/** The rows that footage takes. @param {Plan} plan @param {Look} look */
function region(plan, look) {
  const { top = 0, height } = look.values
  const upper = top / plan.height
  const share = (height || plan.height) / plan.height
  return { upper: between(upper, 0, 0.95), lower: between(upper + share, 0.05, 1) }
}

/** A border that decides on `seconds`, counted from `since`. @returns {Handle} */
function lasting(at, since) {
  return { at, grows: true, write: (moment) => ({ seconds: tidy(Math.max(0, moment - since)) }) }
}

/** @param {number} value @param {number} low @param {number} high */
function between(value, low, high) {
  return Math.max(low, Math.min(high, value))
}
