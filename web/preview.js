/**
 * The picture that floats above a timeline while its playhead moves: the footage at that moment,
 * the prompt there, and the time.
 *
 * @typedef {import('./plan.js').Plan} Plan
 */

const WIDTH = 160
const GAP = 8 // pixels above the timeline
const STYLE = {
  position: 'fixed',
  inset: 'auto', // a popover lies in the middle of the screen by itself
  margin: '0',
  border: 'none',
  width: `${WIDTH}px`,
  padding: '4px',
  borderRadius: '4px',
  font: '11px sans-serif',
  background: 'rgba(20, 20, 20, 0.92)',
  color: '#ddd',
  pointerEvents: 'none'
}

/**
 * What lies at a moment of the canvas: the uppermost footage, its own second, and the prompt.
 *
 * @param {Plan} plan
 * @param {number} seconds
 */
export function momentOf(plan, seconds) {
  const over = ({ start, end }) => seconds >= start - 1e-6 && seconds < end - 1e-6
  const bar = plan.bars.findLast((one) => one.media?.pictureAt && over(one)) ?? null
  return {
    media: bar?.media ?? null,
    at: bar ? bar.offset + (seconds - bar.start) * bar.rate : 0,
    text: plan.prompts.find(over)?.text ?? ''
  }
}

/**
 * The floating picture, a popover within `parent`: `show` draws it anew, `hide` takes it away.
 *
 * @param {HTMLElement} parent
 */
export function preview(parent) {
  const box = document.createElement('div')
  box.popover = 'manual'
  box.className = 'sora-preview'
  Object.assign(box.style, STYLE)
  const picture = document.createElement('canvas')
  picture.style.cssText = 'display: block; width: 100%; margin-bottom: 3px'
  const label = document.createElement('div')
  box.append(picture, label)

  return {
    /**
     * @param {Plan} plan
     * @param {number} seconds
     * @param {DOMRect} place  of the timeline
     * @param {number} x  of the playhead, on the screen
     */
    show(plan, seconds, place, x) {
      const { media, at, text } = momentOf(plan, seconds)
      media?.want([at])
      const frame = media?.pictureAt(at) ?? null
      picture.style.display = frame ? 'block' : 'none'
      if (frame) {
        picture.width = frame.naturalWidth ?? frame.width
        picture.height = frame.naturalHeight ?? frame.height
        picture.getContext('2d').drawImage(frame, 0, 0)
      }
      label.textContent = `${seconds.toFixed(2)} s${text ? `: ${text}` : ''}`
      if (!box.isConnected) {
        parent.append(box)
        box.showPopover()
      }
      const left = Math.max(4, Math.min(innerWidth - WIDTH - 12, x - WIDTH / 2))
      box.style.left = `${left}px`
      box.style.top = `${Math.max(4, place.top - GAP - box.offsetHeight)}px`
    },

    hide() {
      box.remove()
    }
  }
}
