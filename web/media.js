/**
 * What a loader of ComfyUI holds, read by the browser from the server's `/view`: the length of its
 * file, frames at any moment, and how loud it is.
 *
 * @typedef {object} Media
 * @property {number} seconds  0 for a still image
 * @property {(seconds: number) => CanvasImageSource | null} pictureAt  the nearest that is read
 * @property {(moments: number[]) => void} want  reads frames at these moments, the last one first
 * @property {number} version  counts the frames that were read
 * @property {Float32Array | null} peaks  loudness in [0, 1], `PEAKS` times a second
 */

export const PEAKS = 100 // a second
const HEIGHT = 90 // pixels of a frame that is remembered
const MOST_FRAMES = 240 // remembered of one file: about 15 MB
const MOST_WAITING = 48
const GRID = 30 // a moment is remembered to one of so many parts of a second
const RATE = 8000 // samples a second, enough to see how loud it is
const LONGEST_SOUND = 900 // seconds: 15 minutes decode to 29 MB a channel
const LARGEST_SOUND = 256 * 2 ** 20 // bytes of a file that is fetched whole for its sound
const PATIENCE = 5000 // milliseconds until a file that does not answer is opened anew, doubled each time
const MOST_OPENINGS = 6
const LOADERS = { LoadVideo: 'file', LoadImage: 'image' }
const PLACED = /^(?:(.*)\/)?([^/]*?)(?: \[(input|output|temp)\])?$/

/**
 * A function from a loader's type and widget values to its media: null until the length is known.
 *
 * @param {(path: string) => string} addressed  the server's address of a path
 * @param {() => void} onRead  called whenever more is known
 * @returns {(type: string, values: Record<string, any>) => Media | null}
 */
export function mediaReader(addressed, onRead) {
  /** @type {Map<string, Media | null>} */
  const known = new Map()
  return (type, values) => {
    const name = values[LOADERS[type]]
    if (typeof name !== 'string' || !name) return null
    const [, subfolder = '', filename, kind = 'input'] = PLACED.exec(name)
    const url = addressed(`/view?${new URLSearchParams({ filename, subfolder, type: kind })}`)
    if (!known.has(url)) {
      known.set(url, null)
      const read = type === 'LoadVideo' ? readVideo : readImage
      read(url, onRead, (media) => {
        known.set(url, media)
        onRead()
      })
    }
    return known.get(url)
  }
}

/** @param {string} url @param {() => void} _ @param {(media: Media) => void} done */
function readImage(url, _, done) {
  const image = new Image()
  const open = () => {
    image.src = url
  }
  const watch = patiently(open)
  image.onload = () => {
    watch.answered()
    done({ seconds: 0, version: 1, pictureAt: () => image, want: () => {}, peaks: null })
  }
  open()
  watch.wait()
}

/** @param {string} url @param {() => void} onRead @param {(media: Media) => void} done */
function readVideo(url, onRead, done) {
  const video = document.createElement('video')
  video.muted = true
  video.preload = 'auto'
  /** @type {Map<number, HTMLCanvasElement>} */
  const pictures = new Map()
  /** @type {number[]} */
  let waiting = []
  /** @type {number | undefined} */
  let slot // which is read now, if any
  let seeking = false
  const watch = patiently(() => {
    if (slot !== undefined) waiting.push(slot)
    slot = undefined
    seeking = true // until its length is known again
    video.load()
  })

  /** @type {Media} */
  const media = {
    seconds: 0,
    version: 0,
    peaks: null,
    pictureAt: (seconds) => nearest(pictures, slotOf(seconds)),
    want(moments) {
      const inside = (slot) => slot >= 0 && slot < media.seconds * GRID
      const slots = moments.map(slotOf).filter((slot) => inside(slot) && !pictures.has(slot))
      waiting = [...waiting.filter((slot) => !slots.includes(slot)), ...slots]
      waiting = waiting.slice(-MOST_WAITING)
      if (!seeking) next()
    }
  }
  const next = () => {
    slot = waiting.pop()
    seeking = slot !== undefined
    if (!seeking) return
    watch.wait()
    video.currentTime = Math.min((slot + 0.5) / GRID, Math.max(0, video.duration - 1e-3))
  }
  video.onseeked = () => {
    watch.answered()
    media.version++
    pictures.set(slotOf(video.currentTime), smaller(video))
    if (pictures.size > MOST_FRAMES) pictures.delete(pictures.keys().next().value)
    onRead()
    next()
  }
  video.onloadedmetadata = () => {
    watch.answered()
    if (!Number.isFinite(video.duration) || !video.videoWidth) return
    if (!media.seconds) {
      media.seconds = video.duration
      done(media)
      readSound(url, media, onRead)
    }
    next()
  }
  video.src = url
  watch.wait()
}

/**
 * Opens a file anew when it fails or does not answer: a browser or server under load loses answers.
 *
 * @param {() => void} open
 * @returns {{wait: () => void, answered: () => void}}  to be called when an answer is awaited, and
 *   when it came
 */
export function patiently(open) {
  let openings = 0
  let timer
  const wait = () => {
    clearTimeout(timer)
    if (openings < MOST_OPENINGS) timer = setTimeout(again, PATIENCE * 2 ** openings)
  }
  const again = () => {
    openings++
    open()
    wait()
  }
  const answered = () => {
    clearTimeout(timer)
    openings = 0
  }
  return { wait, answered }
}

/** Where a moment is remembered. @param {number} seconds */
function slotOf(seconds) {
  return Math.floor(seconds * GRID + 1e-6)
}

/** @template T @param {Map<number, T>} pictures @param {number} slot @returns {T | null} */
function nearest(pictures, slot) {
  if (pictures.has(slot)) return pictures.get(slot)
  const far = (one) => Math.abs(one - slot)
  const slots = [...pictures.keys()]
  return slots.length ? pictures.get(slots.reduce((a, b) => (far(b) < far(a) ? b : a))) : null
}

/** @param {HTMLVideoElement} video */
function smaller(video) {
  const picture = document.createElement('canvas')
  picture.height = HEIGHT
  picture.width = Math.max(1, Math.round((HEIGHT * video.videoWidth) / video.videoHeight))
  picture.getContext('2d').drawImage(video, 0, 0, picture.width, picture.height)
  return picture
}

/** Sets the peaks of `media`, if its file has sound that the browser decodes. */
async function readSound(url, media, onRead) {
  if (media.seconds > LONGEST_SOUND) return
  try {
    const answer = await fetch(url)
    if (!answer.ok || Number(answer.headers.get('content-length')) > LARGEST_SOUND) return
    const decoder = new OfflineAudioContext(1, 1, RATE)
    const sound = await decoder.decodeAudioData(await answer.arrayBuffer())
    media.peaks = peaksOf(sound.getChannelData(0), RATE / PEAKS)
    onRead()
  } catch {
    // a file without sound, or one that the browser does not decode: no waveform
  }
}

/**
 * The largest magnitude of each `length` samples.
 *
 * @param {Float32Array} samples
 * @param {number} length
 */
export function peaksOf(samples, length) {
  const peaks = new Float32Array(Math.ceil(samples.length / length))
  samples.forEach((sample, i) => {
    const slot = Math.floor(i / length)
    peaks[slot] = Math.max(peaks[slot], Math.min(1, Math.abs(sample)))
  })
  return peaks
}
