/**
 * What a loader of ComfyUI shows: the length and a few frames of its file, read by the browser.
 *
 * @typedef {{seconds: number, frames: CanvasImageSource[]}} Media
 */

const FRAMES = 8
const HEIGHT = 64 // pixels of a frame that is kept
const LOADERS = { LoadVideo: 'file', LoadImage: 'image' }
const PLACED = /^(?:(.*)\/)?([^/]*?)(?: \[(input|output|temp)\])?$/

/**
 * A function from a loader's type and widget values to what its file shows: null until it is read.
 *
 * @param {(path: string) => string} addressed  the server's address of a path
 * @param {() => void} onRead  called whenever more is known
 * @returns {(type: string, values: Record<string, any>) => Media | null}
 */
export function footageReader(addressed, onRead) {
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
      read(url, (media) => {
        known.set(url, media)
        onRead()
      })
    }
    return known.get(url)
  }
}

/** @param {string} url @param {(media: Media) => void} onRead */
function readImage(url, onRead) {
  const image = new Image()
  image.onload = () => onRead({ seconds: 0, frames: [image] })
  image.src = url
}

/**
 * The length first, then frame by frame.
 *
 * @param {string} url
 * @param {(media: Media) => void} onRead
 */
function readVideo(url, onRead) {
  const video = document.createElement('video')
  video.muted = true
  video.preload = 'auto'
  /** @type {HTMLCanvasElement[]} */
  const frames = []
  const seek = () => {
    video.currentTime = ((frames.length + 0.5) / FRAMES) * video.duration
  }
  video.onloadedmetadata = () => {
    if (!Number.isFinite(video.duration)) return
    onRead({ seconds: video.duration, frames })
    seek()
  }
  video.onseeked = () => {
    frames.push(smaller(video))
    onRead({ seconds: video.duration, frames })
    if (frames.length < FRAMES) seek()
    else video.removeAttribute('src')
  }
  video.src = url
}

/** @param {HTMLVideoElement} video */
function smaller(video) {
  const picture = document.createElement('canvas')
  picture.height = HEIGHT
  picture.width = Math.max(1, Math.round((HEIGHT * video.videoWidth) / video.videoHeight))
  picture.getContext('2d').drawImage(video, 0, 0, picture.width, picture.height)
  return picture
}
