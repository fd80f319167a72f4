/**
 * What is said of the nodes beyond what the oldest host can pass on: other words under which they
 * are searched for, and the inputs that the page shows where its user asks for more.
 */

const ALIASES = {
  SoraLoadModel: ['sora-mini', 'checkpoint', 'video model'],
  SoraExpandPrompt: ['prompt enhancer', 'rewrite prompt', 'magic prompt'],
  SoraEncodePrompt: ['clip text encode', 'positive', 'negative'],
  SoraStoryboard: ['prompt travel', 'prompt schedule', 'multi shot', 'scenes'],
  SoraCaptionVideo: ['describe', 'interrogate', 'video to text', 'caption'],
  SoraCanvas: ['empty latent video', 'text to video', 'size', 'resolution', 'duration'],
  SoraPlaceVideo: ['keyframes', 'timeline', 'inpaint', 'video guide'],
  SoraPlaceImage: ['keyframe', 'first last frame', 'image guide'],
  SoraPlaceLatent: ['continue latent', 'hand over', 'long video'],
  SoraImageToVideo: ['i2v', 'animate image', 'first frame last frame', 'flf2v'],
  SoraExtendVideo: ['continue video', 'longer', 'prepend', 'video extension'],
  SoraConnectVideos: ['transition', 'join', 'bridge', 'in between', 'vace'],
  SoraMorphVideos: ['blend', 'crossfade', 'dissolve'],
  SoraLoopVideo: ['seamless', 'endless', 'cinemagraph', 'perfect loop'],
  SoraEditVideo: ['video to video', 'v2v', 'inpaint', 'sdedit', 'restyle'],
  SoraOutpaintVideo: ['widen', 'uncrop', 'expand canvas', 'aspect ratio'],
  SoraEncodeCanvas: ['vae encode', 'noise mask', 'inpaint conditioning'],
  SoraNoise: ['random noise', 'seed'],
  SoraSchedule: ['sigmas', 'scheduler', 'steps', 'shift'],
  SoraGuider: ['cfg', 'guidance', 'long video', 'context window'],
  SoraSample: ['ksampler', 'sampler custom', 'euler', 'generate'],
  SoraJobs: ['resume', 'continue job', 'clean up'],
  SoraEncodeVideo: ['vae encode video', 'video to latent'],
  SoraDecodeVideo: ['vae decode', 'create video', 'mp4', 'combine'],
  SoraDecodeFrames: ['vae decode', 'frames', 'images'],
  SoraMeasureSeams: ['metrics', 'quality', 'psnr', 'drift', 'loop check']
}

const PLACE = ['left', 'top', 'width', 'height']
const ADVANCED = {
  SoraPlaceVideo: PLACE,
  SoraPlaceImage: PLACE,
  SoraGuider: ['rescale', 'from_sigma', 'to_sigma', 'footage_scale'],
  SoraSchedule: ['shift']
}

/**
 * Adds both to what the server says of its nodes, before the page reads it.
 *
 * @param {Record<string, object>} defs
 */
export function sayMore(defs) {
  for (const [node, words] of Object.entries(ALIASES)) {
    if (defs[node]) defs[node].search_aliases = words
  }
  for (const [node, names] of Object.entries(ADVANCED)) {
    const inputs = { ...defs[node]?.input.required, ...defs[node]?.input.optional }
    for (const name of names) if (inputs[name]) inputs[name][1].advanced = true
  }
}

/**
 * Says the nodes in the user's words. A page that loads a language late forgets what packs bring
 * for it, and shows what stands here.
 *
 * @param {Record<string, any>} defs
 * @param {Record<string, any>} words  by node, as in `locales/LANGUAGE/nodeDefs.json`
 */
export function translate(defs, words) {
  for (const [node, said] of Object.entries(words)) {
    const def = defs[node]
    if (!def) continue
    def.display_name = said.display_name
    def.description = said.description
    const inputs = { ...def.input.required, ...def.input.optional }
    for (const [name, { tooltip }] of Object.entries(said.inputs)) {
      if (inputs[name]) inputs[name][1].tooltip = tooltip
    }
  }
}
