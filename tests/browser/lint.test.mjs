// The lint of the front ends: what leaves an effect, a ref or a handler by accident is found, however it is written. No browser.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';

const FRONT_ENDS = join(import.meta.dirname, '../../frontend-examples');
const packages = createRequire(join(FRONT_ENDS, 'access-service/package.json'));
const oxlint = join(dirname(packages.resolve('oxlint/package.json')), 'bin/oxlint');

const FOUND = {
  'what emptied the whole page once': 'useEffect(() => table.current?.scrollTo({ top: 0 }), [key]);',
  'a plain call': 'useLayoutEffect(() => row.scrollIntoView());',
  'by the name of the library': 'React.useInsertionEffect(() => sheet.insert(rule));',
  'one of two': 'useEffect(() => wanted && row.focus());',
  'either': 'useEffect(() => (wanted ? row.focus() : row.blur()));',
  'the last of several': 'useEffect(() => (count(), row.focus()));',
  'awaited': 'useEffect(async () => await row.scrollTo(0));',
  'said not to be null': 'useEffect(() => row.scrollTo(0)!);',
  'a plain function that returns it': 'useEffect(function () { return row.scrollTo(0); });',
  'further in': 'useEffect(() => { if (wanted) { return row.scrollTo(0); } });',
  'a clean-up by name': 'useEffect(() => { const stop = start(); return stop; });',
  'a function by name': 'useEffect(scroll);',
  'a ref': 'const one = <div ref={(element) => element?.scrollTo(0, 0)} />;',
  'a handler': 'const one = <button onClick={() => row.scrollTo(0)} />;',
  "a component's handler": 'const one = <Window onClose={() => setOpen(false)} />;',
  'a listener': "addEventListener('focus', () => row.scrollTo(0));",
  "an element's listener": "row.addEventListener('focus', () => row.scrollTo(0));",
  "a browser's own handler": 'window.onbeforeunload = () => row.scrollTo(0);',
};

const LET_THROUGH = {
  braces: 'useEffect(() => { table.current?.scrollTo({ top: 0 }); }, [key]);',
  void: 'useEffect(() => void row.scrollTo(0));',
  'a clean-up written out': 'useEffect(() => { const timer = setTimeout(tick); return () => clearTimeout(timer); });',
  'nothing, early': 'useEffect(() => { if (!wanted) return; row.focus(); });',
  'what another function inside returns': 'useEffect(() => { rows.map((row) => { return row.scrollTo(0); }); });',
  'a handler with void': 'const one = <button onClick={() => void row.scrollTo(0)} />;',
  'a handler by name': 'const one = <button onClick={scroll} />;',
  'what is no handler': 'const one = <Rows cell={(row) => nameOf(row)} />;',
};

const folder = mkdtempSync(join(tmpdir(), 'lint-'));
const CASES = [
  ...Object.entries(FOUND).map(([what, line]) => ({ what: `found: ${what}`, line, isFound: true })),
  ...Object.entries(LET_THROUGH).map(([what, line]) => ({ what: `let through: ${what}`, line, isFound: false })),
];
let said = '';
before(() => {
  for (const [index, { line }] of CASES.entries()) writeFileSync(join(folder, `case-${index}.tsx`), `export function One() {\n  ${line}\n}\n`);
  const settings = ['--config', join(FRONT_ENDS, 'lint/oxlint.json'), '--format', 'unix', '.'];
  said = spawnSync(process.execPath, [oxlint, ...settings], { cwd: folder, encoding: 'utf8' }).stdout;
});
after(() => rmSync(folder, { recursive: true }));

for (const [index, { what, line, isFound }] of CASES.entries()) {
  test(what, () => {
    const found = said.split('\n').some((one) => one.includes(`case-${index}.tsx:`) && one.includes('voicehive(no-returned-calls)'));
    assert.equal(found, isFound, line);
  });
}
