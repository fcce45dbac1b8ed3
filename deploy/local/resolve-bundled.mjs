// A resolver for packages that were published for bundlers: dt-sql-parser imports folders and files without extension,
// which Node refuses. parse-sql.mjs registers it.
import { existsSync, statSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'

export async function resolve(specifier, context, next) {
  if (!/^\.{1,2}(\/|$)/.test(specifier) || !context.parentURL?.includes('/node_modules/')) return next(specifier, context)
  const path = fileURLToPath(new URL(specifier, context.parentURL))
  const found = [path, `${path}.js`, `${path}/index.js`].find(p => existsSync(p) && statSync(p).isFile())
  return next(found ? pathToFileURL(found).href : specifier, context)
}
