/** The colour of a node's title, by stage: dark and faint, so that any theme can adjust it. */

const COLOURS = {
  'Sora/model': '#3b3350',
  'Sora/prompt': '#33503d',
  'Sora/canvas': '#2f4a5e',
  'Sora/edits': '#2f4a5e',
  'Sora/sampling': '#55402f',
  'Sora/latent': '#553344',
  'Sora/measure': '#4d4a30'
}

/**
 * @param {string} category  of a node
 * @returns {string | undefined} undefined for nodes that are not of the pack
 */
export function stageColour(category) {
  return COLOURS[category]
}
