// The DCC's published tools for DUIS: constructs and signs requests, validates and parses what comes back.
// Reads one JSON array of tasks from standard input and writes the array of their results.
import { constructDuis, parseDuis } from '@smartdcc/duis-parser'
import { signDuis, validateDuis } from '@smartdcc/duis-sign-wrap'
import { loadTemplates } from '@smartdcc/duis-templates'
import { readFileSync } from 'node:fs'

const templates = await loadTemplates({})

const tasks = {
  // A template with another RequestID, Command Variant and body, where they are given.
  async sign({ template, requestId, commandVariant, body }) {
    const duis = templates[template].simplified
    const request = {
      header: { ...duis.header, requestId, commandVariant: commandVariant ?? duis.header.commandVariant },
      body: body ?? duis.body,
    }
    return signDuis({ xml: constructDuis('simplified', request), preserveCounter: true })
  },
  // Schema and signature, then what the document says.
  async read({ xml }) {
    return parseDuis('simplified', await validateDuis({ xml }))
  },
}

const results = []
for (const { task, ...input } of JSON.parse(readFileSync(0, 'utf-8'))) {
  results.push(await tasks[task](input).catch((error) => ({ error: error.message })))
}
console.log(JSON.stringify(results, (_, value) => (typeof value === 'bigint' ? Number(value) : value)))
