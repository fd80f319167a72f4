/** The colour of a node's title, by stage: dark and faint, so that any theme can adjust it. */

const COLOURS = {
  '#3b3350': ['SoraLoadModel'],
  '#33503d': ['SoraExpandPrompt', 'SoraEncodePrompt', 'SoraStoryboard', 'SoraCaptionVideo'],
  '#2f4a5e': [
    'SoraCanvas',
    'SoraPlaceVideo',
    'SoraPlaceImage',
    'SoraPlaceLatent',
    'SoraImageToVideo',
    'SoraExtendVideo',
    'SoraLoopVideo',
    'SoraConnectVideos',
    'SoraMorphVideos',
    'SoraEditVideo',
    'SoraOutpaintVideo',
    'SoraEncodeCanvas'
  ],
  '#55402f': ['SoraNoise', 'SoraSchedule', 'SoraGuider', 'SoraSample', 'SoraJobs'],
  '#553344': ['SoraEncodeVideo', 'SoraDecodeVideo', 'SoraDecodeFrames'],
  '#4d4a30': ['SoraMeasureSeams'],
  '#30504f': ['SoraDataset', 'SoraEncodeDataset', 'SoraTrain', 'SoraSaveLora']
}

/**
 * @param {string} node  its id: its category is said in the user's language
 * @returns {string | undefined} undefined for nodes that are not of the pack
 */
export function stageColour(node) {
  return Object.keys(COLOURS).find((colour) => COLOURS[colour].includes(node))
}
