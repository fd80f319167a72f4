/**
 * Search words and rarely used inputs, for hosts whose schema does not take them, and translations.
 * `search.json` is what `nodes/search.py` puts into the schema where the host does.
 */

/**
 * Adds to the definitions of the server what its host could not pass on.
 *
 * @param {Record<string, any>} defs
 * @param {{search_aliases: Record<string, string[]>, advanced: Record<string, string[]>}} search
 */
export function addSearch(defs, search) {
  for (const [node, words] of Object.entries(search.search_aliases)) {
    if (defs[node] && !defs[node].search_aliases?.length) defs[node].search_aliases = words
  }
  for (const [node, names] of Object.entries(search.advanced)) {
    const inputs = { ...defs[node]?.input.required, ...defs[node]?.input.optional }
    for (const name of names) if (inputs[name]) inputs[name][1].advanced = true
  }
}

/**
 * Translates the nodes. A page that loads a language late drops the translations of packs, and
 * displays those in the definitions.
 *
 * @param {Record<string, any>} defs
 * @param {Record<string, any>} words  by node, as in `locales/LANGUAGE/nodeDefs.json`
 */
export function translate(defs, words) {
  for (const [node, translated] of Object.entries(words)) {
    const def = defs[node]
    if (!def) continue
    def.display_name = translated.display_name
    def.description = translated.description
    const inputs = { ...def.input.required, ...def.input.optional }
    for (const [name, { tooltip }] of Object.entries(translated.inputs)) {
      if (inputs[name]) inputs[name][1].tooltip = tooltip
    }
  }
}
