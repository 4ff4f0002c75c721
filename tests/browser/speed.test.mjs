// How long one waits for the first rows and for what one searches, beside what the API takes for the same by itself. Figures are
// printed; what is asserted is that nothing is waited for besides. VOICEHIVE_GUESTS makes the list longer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openAs, rest, row } from './support.mjs';

const ROUNDS = 5;
const SEARCHES = ['guest.0000123', 'guest.0000999', 'guest.0001500', 'guest.0002000', 'guest.0002222'];
/** What a person takes for at once, in milliseconds (Miller 1968; Nielsen 1993). */
const AT_ONCE = 1_000;

const median = (numbers) => [...numbers].sort((one, other) => one - other)[Math.floor(numbers.length / 2)];

test('nobody waits for the list or for what they search', async () => {
  const { page, context } = await openAs('admin@example.org');
  await rest(page);
  /** The API's own time, for requests that a page has sent: from the request to the end of the answer. */
  const answered = [];
  page.on('requestfinished', (request) => {
    if (request.postData()?.includes('query Users(')) answered.push(request.timing().responseEnd);
  });

  const shown = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await page.getByRole('link', { name: 'Roles' }).click();
    await page.getByRole('rowheader', { name: /user:view/ }).waitFor();
    // A page that is loaded anew holds nothing.
    const began = Date.now();
    await page.goto(new URL('/admin/users', page.url()).href, { waitUntil: 'commit' });
    await row(page, 'admin@example.org').waitFor();
    shown.push(Date.now() - began);
    await rest(page);
  }
  const list = { shown: median(shown), api: median(answered) };
  answered.length = 0;
  const found = [];
  for (const text of SEARCHES) {
    await page.getByLabel('Search').fill('');
    await row(page, 'admin@example.org').waitFor();
    await rest(page);
    answered.splice(0, Infinity, ...answered.slice(0, found.length));
    const began = Date.now();
    await page.getByLabel('Search').fill(text);
    await row(page, `${text}@`).waitFor();
    found.push(Date.now() - began);
    await rest(page);
  }
  const search = { shown: median(found), api: median(answered) };
  for (const [what, { shown, api }] of Object.entries({ list, search })) {
    console.log(`${what}: ${shown} ms until it is seen, ${api.toFixed(1)} ms of them the API's: ${(shown / api).toFixed(1)} times as long`);
    assert.ok(shown < AT_ONCE, `${what} took ${shown} ms`);
  }
  await context.close();
});
