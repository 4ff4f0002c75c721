// Packs the files of a build once and well, so that the service need not at each request: writes <file>.br and <file>.gz beside
// each that is worth it. Fonts of the kinds that are packed already are left out, and so are small files.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';

const PACKS_WELL = ['.js', '.css', '.html', '.svg', '.json', '.ttf'];
const SMALL = 1024;

const folder = process.argv[2];
for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (!entry.isFile() || !PACKS_WELL.includes(extname(path))) continue;
  const content = readFileSync(path);
  if (content.length < SMALL) continue;
  // Node's own default for brotli is its highest quality.
  writeFileSync(`${path}.br`, brotliCompressSync(content));
  writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
}
